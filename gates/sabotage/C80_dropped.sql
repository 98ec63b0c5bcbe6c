-- expects: outbox.erase_parties
drop function outbox.erase_parties(text, text, text, text);

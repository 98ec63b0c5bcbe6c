-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns void language plpgsql as 'begin execute p_text; end';

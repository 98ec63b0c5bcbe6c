-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns setof text language plpgsql as 'begin return query execute p_text; end';

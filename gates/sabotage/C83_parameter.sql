-- expects: function outbox.planted(text)
create function outbox.planted(p_text text default pg_read_file('x')) returns text language plpgsql as 'begin return p_text; end';

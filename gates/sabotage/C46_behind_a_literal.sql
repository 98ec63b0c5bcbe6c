-- expects: outbox.planted(text)
-- A literal that looks like the begin of a comment hides nothing.
create function outbox.planted(p_text text) returns text language plpgsql as $$ declare v_dashes text := '--'; begin execute p_text; return v_dashes; end $$;

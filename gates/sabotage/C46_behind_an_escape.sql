-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns text language plpgsql as
  $x$ declare v_quote text := e'\''; begin execute p_text; return e'\''; end $x$;

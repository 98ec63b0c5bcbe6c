-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns text language plpgsql as
  $x$ declare "a'b" text; begin execute p_text; return "a'b"; end $x$;

-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns text language plpgsql as
  $x$ declare v_quote text := $q$'$q$; begin execute p_text; return $q$'$q$; end $x$;

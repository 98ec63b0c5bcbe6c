-- expects: outbox.planted(text)
-- PL/pgSQL's block comments nest: the quote in the outer one would begin a literal that hides EXECUTE.
create function outbox.planted(p_text text) returns void language plpgsql as $x$ begin /* /* */ ' */ execute p_text; /* ' */ end $x$;

-- expects: function public.now()
create function public.now() returns timestamptz language sql return pg_catalog.now();

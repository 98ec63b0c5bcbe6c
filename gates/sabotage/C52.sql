-- expects: table public.planted
create table public.planted (n integer);

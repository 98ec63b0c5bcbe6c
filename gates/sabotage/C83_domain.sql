-- expects: default of domain outbox.planted
create domain outbox.planted as text default pg_read_file('x');

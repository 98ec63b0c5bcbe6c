-- expects: planted
create function public.planted() returns event_trigger language plpgsql as 'begin return; end';
create event trigger planted on ddl_command_start execute function public.planted();

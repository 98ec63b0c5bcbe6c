-- expects: pg_logical_emit_message(boolean,text,text,boolean)
grant execute on function pg_catalog.pg_logical_emit_message(boolean, text, text, boolean) to public;

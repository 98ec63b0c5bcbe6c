-- expects: language planted
create language planted handler plpgsql_call_handler;

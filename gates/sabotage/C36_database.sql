-- expects: every role in
do $$ begin execute format('alter database %I set search_path = public', current_database()); end $$;

-- expects: symphony_router
do $$ begin execute format('grant temporary on database %I to symphony_router', current_database()); end $$;

-- expects: this database
do $$ begin execute format('grant create on database %I to symphony_outbox_owner', current_database()); end $$;

-- expects: schema core
grant usage on schema core to public;

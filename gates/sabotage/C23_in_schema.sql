-- expects: in schema evidence
alter default privileges in schema evidence grant select on tables to public;

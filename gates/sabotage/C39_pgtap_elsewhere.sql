-- expects: extension pgtap
create extension pgtap with schema public;

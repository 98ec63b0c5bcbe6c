-- expects: extension pgcrypto
create extension pgcrypto with schema core;

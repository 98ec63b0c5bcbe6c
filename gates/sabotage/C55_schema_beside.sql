-- expects: schema shadow
create schema shadow;

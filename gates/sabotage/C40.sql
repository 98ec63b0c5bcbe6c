-- expects: foreign-data wrapper planted
create foreign data wrapper planted;

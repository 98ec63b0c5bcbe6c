-- expects: evidence.case_list
update pg_catalog.pg_class set relhasrules = false where oid = 'evidence.case_list'::regclass;

-- expects: openbao_issuer
create role openbao_issuer login createrole createdb;

-- expects: openbao_issuer
create role openbao_issuer login;
grant symphony_executor to openbao_issuer with admin option, inherit true, set false;

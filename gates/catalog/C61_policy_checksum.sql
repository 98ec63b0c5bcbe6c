-- C61: a policy version cannot be stored without the SHA-256 of its content
-- invariants: INV-017
-- severity: error
-- remedy: restore NOT NULL and the CHECK by a new migration
select 'policy.policy_versions.' || w.name, 'is missing, or is not: ' || w.definition
from (values
  ('checksum', 'NOT NULL checksum'), ('content', 'NOT NULL content'),
  ('policy_checksum_is_sha256', 'CHECK ((octet_length(checksum) = 32))')
) as w(name, definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass('policy.policy_versions') and pg_get_constraintdef(k.oid) = w.definition
    and k.convalidated and k.conenforced and (k.contype = 'n' or k.conname = w.name));

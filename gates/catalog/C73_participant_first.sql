-- C73: participant_id stands first in every key and foreign key of a payment table
-- invariants: INV-011, INV-OUTBOX-02
-- severity: error
-- remedy: put participant_id first (DESIGN section 3); it cannot be added later
-- policy is left out: its rows belong to a policy version or to a halt, not to a payment. So are the ingress's registry, whose point
-- is that a certificate or key is nobody else's, and its counts, most of which have no participant.
select c.oid::regclass::text, format('%s begins with %s', i.indexrelid::regclass, pg_get_indexdef(i.indexrelid, 1, false))
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$' and n.nspname <> 'policy'
join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = 'participant_id'
where i.indisunique and i.indkey[0] <> a.attnum
  and coalesce(pg_partition_root(c.oid)::oid, c.oid) not in (select to_regclass(x)::oid from unnest(array['ingress.clients', 'ingress.client_certs', 'ingress.signature_keys', 'ingress.refusal_counts']) as x where to_regclass(x) is not null)
union all
select k.conrelid::regclass::text, format('%s does not begin with participant_id on both sides', k.conname)
from pg_catalog.pg_constraint as k
join pg_catalog.pg_namespace as n on n.oid = k.connamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$' and n.nspname <> 'policy'
join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attname = 'participant_id'
join pg_catalog.pg_attribute as b on b.attrelid = k.confrelid and b.attname = 'participant_id'
where k.contype = 'f' and (k.conkey[1] <> a.attnum or k.confkey[1] <> b.attnum);

-- Rooms and keys: one NOLOGIN owner and one schema per context, one NOLOGIN role per capability.
-- Roles belong to the cluster, so a second Symphony database finds them present; hence the one DO block.
-- No login is created here: logins are members WITH INHERIT FALSE, SET TRUE (symphony db logins).
do $$
declare
  v_role text;
begin
  foreach v_role in array array[
    'symphony_core_owner', 'symphony_evidence_owner', 'symphony_policy_owner', 'symphony_proxy_owner',
    'symphony_outbox_owner', 'symphony_ingress_owner', 'symphony_rails_owner', 'symphony_routing_owner',
    'symphony_ops_owner',
    'symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin',
    'symphony_router', 'symphony_sealer', 'symphony_maintainer', 'symphony_auditor'
  ] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = v_role) then
      execute pg_catalog.format('create role %I nologin noinherit', v_role);
    end if;
  end loop;
end
$$;

create schema if not exists core;
alter schema core owner to symphony_core_owner;
create schema evidence authorization symphony_evidence_owner;
create schema policy authorization symphony_policy_owner;
create schema proxy authorization symphony_proxy_owner;
create schema outbox authorization symphony_outbox_owner;
create schema ingress authorization symphony_ingress_owner;
create schema rails authorization symphony_rails_owner;
create schema routing authorization symphony_routing_owner;
create schema ops authorization symphony_ops_owner;

comment on schema core is 'Error register, clock, identifiers, canonical JSON, partitions. Calls nobody.';
comment on schema evidence is 'Sealing, checkpoints, evidence events, cases, the auditors'' views. Calls core.';
comment on schema policy is 'Policy versions, participants, limits and usage, halts. Calls core, evidence.';
comment on schema proxy is 'Alias resolutions and their cache. Calls core, evidence, policy.';
comment on schema outbox is 'Instructions, sequences, pending, in-flight, attempts. Calls core, evidence, policy, proxy.';
comment on schema ingress is 'Attestations, replay store, certificate registry; accept. Calls core, evidence, policy, proxy, outbox.';
comment on schema rails is 'Rail registry, response classes, enquiries, reconciliation. Calls core, outbox, evidence.';
comment on schema routing is 'Blue/green state, health samples, decisions. Calls core, evidence.';
comment on schema ops is 'Health, partitions and retention, reports. Reads all.';

-- Only the global form works: IN SCHEMA does not take away what PUBLIC has by default.
alter default privileges for role symphony_core_owner revoke execute on functions from public;
alter default privileges for role symphony_evidence_owner revoke execute on functions from public;
alter default privileges for role symphony_policy_owner revoke execute on functions from public;
alter default privileges for role symphony_proxy_owner revoke execute on functions from public;
alter default privileges for role symphony_outbox_owner revoke execute on functions from public;
alter default privileges for role symphony_ingress_owner revoke execute on functions from public;
alter default privileges for role symphony_rails_owner revoke execute on functions from public;
alter default privileges for role symphony_routing_owner revoke execute on functions from public;
alter default privileges for role symphony_ops_owner revoke execute on functions from public;

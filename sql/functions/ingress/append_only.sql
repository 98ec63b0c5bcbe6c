-- Append-only by trigger, second to privilege: ENABLE ALWAYS holds in replica mode too. Row triggers pass to leaves, TRUNCATE triggers do not.
create or replace trigger refuse_change before update or delete on ingress.ingress_attestations for each row execute function core.refuse_change();
alter table ingress.ingress_attestations enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on ingress.ingress_attestations for each statement execute function core.refuse_change();
alter table ingress.ingress_attestations enable always trigger refuse_truncate;

-- Append-only by trigger, second to privilege: ENABLE ALWAYS holds in replica mode too. Row triggers pass to leaves, TRUNCATE triggers do not.
create or replace trigger refuse_change before update or delete on proxy.proxy_resolutions for each row execute function core.refuse_change();
alter table proxy.proxy_resolutions enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on proxy.proxy_resolutions for each statement execute function core.refuse_change();
alter table proxy.proxy_resolutions enable always trigger refuse_truncate;

create or replace function ingress.check_items(p_items ingress.item[]) returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_items is null or cardinality(p_items) not between 1 and 500
    or array_ndims(p_items) <> 1 or array_lower(p_items, 1) <> 1 then -- reasons are placed by number, counted from 1
    perform core.raise_error('SV401', jsonb_build_object('items', cardinality(p_items), 'least', 1, 'most', 500));
  elsif array_position(p_items, null) is not null then
    perform core.raise_error('SV501');
  end if;
end
$$;
alter function ingress.check_items(ingress.item[]) owner to symphony_ingress_owner;
revoke all on function ingress.check_items(ingress.item[]) from public;
comment on function ingress.check_items(ingress.item[]) is
$$Refuses an empty or unbounded batch, or one with a null item.
Callers: ingress.accept, ingress.accept_proven. Writes: nothing. Locks: none. Raises: SV401, SV501. Idempotent: yes.$$;

create or replace function core.canonical_json(p_value jsonb)
returns text
language plpgsql
immutable
strict
parallel safe
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- PostgreSQL writes strings exactly as RFC 8785 section 3.2.2.2 wants them: two-character escapes where they
  -- exist, lower-case \u00xx for other control characters, everything else as it is.
  case jsonb_typeof(p_value)
    when 'object' then
      -- Members are ordered by UTF-16 code units. "C" orders by code points, which differs only where U+10000 and
      -- above meet U+E000 to U+FFFF: marking the former with U+E000 and the latter with U+E001 restores the order.
      return (
        select '{' || coalesce(string_agg(
          to_json(m.key)::text || ':' || case jsonb_typeof(m.value)
            when 'object' then core.canonical_json(m.value)
            when 'array' then core.canonical_json(m.value)
            when 'number' then core.canonical_number(m.value::numeric)
            else m.value::text
          end, ',' order by case
            when octet_length(m.key) = length(m.key) then m.key
            else regexp_replace(
              regexp_replace(m.key, '([\uE000-\uFFFF])', U&'\E001\\1', 'g'),
              '([\U00010000-\U0010FFFF])', U&'\E000\\1', 'g')
          end collate "C"), '') || '}'
        from jsonb_each(p_value) as m
      );
    when 'array' then
      return (
        select '[' || coalesce(string_agg(core.canonical_json(e.value), ',' order by e.position), '') || ']'
        from jsonb_array_elements(p_value) with ordinality as e (value, position)
      );
    when 'number' then
      return core.canonical_number(p_value::numeric);
    else
      return p_value::text;
  end case;
end
$$;
alter function core.canonical_json(jsonb) owner to symphony_core_owner;
revoke all on function core.canonical_json(jsonb) from public;
comment on function core.canonical_json(jsonb) is
$$A JSON value in the canonical form of RFC 8785 (JCS): the text that is hashed. jsonb has already dropped duplicate
members (the last one counts), so callers that must refuse duplicates do so before the value becomes jsonb.
It runs as its caller, who also needs EXECUTE on core.canonical_number and core.raise_error.
Callers: policy.propose, every context that hashes JSON. Writes: nothing. Locks: none. Raises: SV001 when a number is beyond the largest IEEE 754 double; 54001 when nested deeper than the stack allows. Idempotent: yes, a pure function; NULL gives NULL.$$;

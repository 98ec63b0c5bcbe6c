create or replace function core.canonical_number(p_value numeric)
returns text
language plpgsql
immutable
strict
parallel safe
security invoker
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1 -- below 1 the cast of a double to text rounds, and the result would depend on the session
as $$
declare
  v_double double precision;
  v_value numeric;   -- the shortest decimal that reads back as v_double
  v_shorter numeric; -- candidates with one digit less
  v_step numeric;
  v_whole text;
  v_fraction text;
  v_digits text;
  v_k integer;       -- number of digits (ECMA-262 Number::toString: k)
  v_n integer;       -- position of the decimal point relative to the digits (ECMA-262: n)
begin
  if p_value = trunc(p_value) and abs(p_value) <= 9007199254740992 then
    return p_value::bigint::text; -- exact in a double and written without an exponent
  end if;
  if p_value in ('NaN', 'Infinity', '-Infinity')
    or (abs(p_value) > 1 and not pg_input_is_valid(p_value::text, 'double precision')) then
    perform core.raise_error('SV001', '{"function": "core.canonical_number"}');
  elsif not pg_input_is_valid(p_value::text, 'double precision') then
    return '0'; -- nearer to zero than to the smallest double
  end if;
  v_double := p_value;
  v_value := trim_scale(abs((v_double::text)::numeric));
  loop -- at most twice: PostgreSQL leaves out the ends of the rounding interval, ECMA-262 takes them (1e23)
    v_whole := ltrim(split_part(v_value::text, '.', 1), '0');
    v_fraction := split_part(v_value::text, '.', 2);
    v_digits := rtrim(ltrim(v_whole || v_fraction, '0'), '0');
    v_k := length(v_digits);
    v_n := case when v_whole <> '' then length(v_whole) else length(ltrim(v_fraction, '0')) - length(v_fraction) end;
    v_step := ('1e' || (v_n - v_k + 1))::numeric;
    v_shorter := v_value - v_value % v_step;
    v_shorter := case
      when v_k = 1 then null
      when pg_input_is_valid(v_shorter::text, 'double precision') and v_shorter::double precision = abs(v_double)
        then v_shorter
      when not pg_input_is_valid((v_shorter + v_step)::text, 'double precision') then null
      when (v_shorter + v_step)::double precision = abs(v_double) then v_shorter + v_step
    end;
    exit when v_shorter is null;
    v_value := trim_scale(v_shorter);
  end loop;
  return case when v_double < 0 then '-' else '' end || case
    when v_k <= v_n and v_n <= 21 then v_digits || repeat('0', v_n - v_k)
    when 0 < v_n and v_n <= 21 then left(v_digits, v_n) || '.' || substr(v_digits, v_n + 1)
    when -6 < v_n and v_n <= 0 then '0.' || repeat('0', -v_n) || v_digits
    else left(v_digits, 1) || case when v_k > 1 then '.' || substr(v_digits, 2) else '' end
      || 'e' || case when v_n > 0 then '+' else '-' end || abs(v_n - 1)
  end;
end
$$;
alter function core.canonical_number(numeric) owner to symphony_core_owner;
revoke all on function core.canonical_number(numeric) from public;
comment on function core.canonical_number(numeric) is
$$A number as RFC 8785 writes it: the nearest IEEE 754 double in the form of ECMA-262 Number::toString.
Callers: core.canonical_json, contexts that build canonical text by hand. Writes: nothing. Locks: none. Raises: SV001 when the number is NaN, infinite, or beyond the largest double. Idempotent: yes, a pure function; NULL gives NULL.$$;

-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns void language plpgsql as $$
declare
  v_row record;
begin
  for v_row in execute p_text loop
    null;
  end loop;
end
$$;

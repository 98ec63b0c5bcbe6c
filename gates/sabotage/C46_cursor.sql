-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns void language plpgsql as $$
declare
  v_cursor refcursor;
begin
  open v_cursor for execute p_text;
end
$$;

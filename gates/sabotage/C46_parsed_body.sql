-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns xml language sql return query_to_xml(p_text, true, true, null);

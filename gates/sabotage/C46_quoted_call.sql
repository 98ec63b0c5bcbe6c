-- expects: outbox.planted(text)
create function outbox.planted(p_text text) returns xml language plpgsql as 'begin return "query_to_xml"(p_text, true, true, null); end';

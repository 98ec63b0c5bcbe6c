-- expects: policy planted of policy.halts
create policy planted on policy.halts using (query_to_xml(reason, true, true, '') is not null);

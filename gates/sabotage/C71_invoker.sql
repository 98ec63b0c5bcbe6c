-- expects: policy.get_active()
alter function policy.get_active() security invoker;

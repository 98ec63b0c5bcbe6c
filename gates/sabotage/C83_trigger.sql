-- expects: trigger planted of policy.halts
create trigger planted before insert on policy.halts for each row when (set_config('a.b', new.reason, false) <> '') execute function core.refuse_change();

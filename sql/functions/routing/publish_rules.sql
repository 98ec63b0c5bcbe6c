create or replace function routing.publish_rules(p_changes jsonb, p_operator text, p_reason text) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_rules routing.rules;
  v_current routing.current;
  v_ladder smallint[];
begin
  perform routing.require_named(p_actor => p_operator, p_reason => p_reason);
  v_current := routing.lock_current(); -- one publisher at a time, and no decision meanwhile
  v_now := core.now();
  v_rules := routing.get_rules();
  v_ladder := v_rules.canary_ladder_pct;
  if jsonb_typeof(p_changes) is distinct from 'object' or p_changes = '{}' or exists (
    select from jsonb_object_keys(p_changes) as k(name)
    where k.name in ('rules_version', 'published_by', 'reason', 'published_at') or not to_jsonb(v_rules) ? k.name) then
    perform core.raise_error('SV702', jsonb_build_object('members', to_jsonb(v_rules) - 'rules_version' - 'published_by' - 'reason' - 'published_at'));
  end if;
  v_rules := jsonb_populate_record(v_rules, p_changes || jsonb_build_object('rules_version', v_rules.rules_version + 1,
    'published_by', p_operator, 'reason', p_reason, 'published_at', v_now));
  if v_rules.canary_ladder_pct <> array(select distinct u.step from unnest(v_rules.canary_ladder_pct) as u(step) order by u.step) then
    perform core.raise_error('SV702', '{"member": "canary_ladder_pct"}'); -- a ladder rises; no CHECK can say it
  end if;
  insert into routing.rules select v_rules.*;
  if v_current.ladder_step > 0 and v_rules.canary_ladder_pct <> v_ladder then
    if v_current.ladder_step <= cardinality(v_ladder) then -- its step would mean another share without a decision
      perform core.raise_error('SC703', jsonb_build_object('candidate_colour', v_current.candidate_colour, 'mode', v_current.mode));
    end if;
    update routing.current as c set ladder_step = cardinality(v_rules.canary_ladder_pct) + 1; -- complete stays complete
  end if;
  return v_rules.rules_version;
exception
  when not_null_violation or check_violation or invalid_text_representation or numeric_value_out_of_range or invalid_parameter_value then
    perform core.raise_error('SV702', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function routing.publish_rules(jsonb, text, text) owner to symphony_routing_owner;
revoke all on function routing.publish_rules(jsonb, text, text) from public;
comment on function routing.publish_rules(jsonb, text, text) is
$$Publishes the next version of the rules: those in force with the named members changed. From its commit on it decides. Returns its version.
Callers: symphony_policy_admin. Writes: rules, current (the step of a complete ladder). Locks: the row of current. Raises: SV701 unnamed, SV702 unknown member or inconsistent values, SC703 another ladder while a canary is on it. Idempotent: no.$$;

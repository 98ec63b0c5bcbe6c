create or replace view evidence.case_list with (security_barrier = true) as
select c.participant_id, c.case_id, c.kind, c.outbox_id, i.instruction_id, c.facts, c.next_action, c.opened_at, d.decision, d.maker,
  d.checker, d.reason, d.decided_at
from evidence.cases as c
left join evidence.case_decisions as d on d.participant_id = c.participant_id and d.case_id = c.case_id
left join outbox.payment_instructions as i on i.participant_id = c.participant_id and i.outbox_id = c.outbox_id;
alter view evidence.case_list owner to symphony_evidence_owner;
comment on view evidence.case_list is
$$Cases with their decision, when there is one; open ones have decision null. Callers: symphony_auditor, symphony_operator. Read-only.$$;

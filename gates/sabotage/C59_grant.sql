-- expects: outbox.instruction_parties
grant select on outbox.instruction_parties to symphony_evidence_owner;

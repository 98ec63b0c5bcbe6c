-- core: who this cell is, and what every error and every reason means.

create table core.cell (
  epoch integer primary key,
  cell_id text collate "C" not null,
  established_at timestamptz not null,
  constraint cell_id_is_an_identifier check (cell_id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  constraint cell_epoch_is_positive check (epoch >= 1)
);
alter table core.cell owner to symphony_core_owner;
comment on table core.cell is
  'The cell this database is: the unit of growth (DESIGN 13). ingress.accept refuses a participant whose home cell or epoch differs. Append-only; the highest epoch is in force.';
comment on column core.cell.epoch is 'Raised when the cell is re-established after a participant move; older homes stop matching.';

create table core.errors (
  sqlstate text collate "C" primary key,
  name text collate "C" not null unique,
  message text not null,
  hint text not null,
  constraint errors_sqlstate_is_house_class check (sqlstate ~ '^S[VANCLRX][0-9]{3}$')
);
alter table core.errors owner to symphony_core_owner;
comment on table core.errors is
  'Register of SQLSTATEs raised by Symphony: S + disposition (V invalid, A not allowed, N not found, C conflict, L lease lost, R retry later, X invariant broken) + context digit + two digits.';
comment on column core.errors.message is 'Constant MESSAGE text, free of personal data; particulars travel as JSON in DETAIL.';
comment on column core.errors.hint is 'The next action of whoever meets the error.';

create table core.reasons (
  reason_code text collate "C" primary key,
  http_status smallint not null,
  meaning text not null,
  next_action text not null,
  constraint reasons_code_is_upper_snake check (reason_code ~ '^[A-Z][A-Z0-9_]{1,63}$'),
  constraint reasons_http_status_is_an_error check (http_status between 400 and 599 or http_status = 202)
);
alter table core.reasons owner to symphony_core_owner;
comment on table core.reasons is
  'Register of reason codes: why an instruction was refused, retried or ended. Returned as data, never raised, so that the evidence survives.';
comment on column core.reasons.http_status is 'Status the HTTP ingress answers with (RFC 9110); 202 marks reasons that only occur after acceptance.';

insert into core.errors (sqlstate, name, message, hint) values
  ('SX001', 'ledger_is_append_only', 'ledger rows are never changed, removed or truncated', 'Record a new row that corrects the old one.'),
  ('SX002', 'unregistered_error', 'a function raised an error that is not registered', 'Register it in core.errors.'),
  ('SX003', 'cell_not_established', 'this database is no cell yet', 'Run: symphony cell establish.'),
  ('SV003', 'isolation_not_read_committed', 'this function needs READ COMMITTED: it waits for locks and then looks again', 'Begin the transaction with the default isolation level.'),
  ('SX004', 'commit_not_durable', 'synchronous_commit is off, so a commit would promise nothing', 'Use a session with synchronous_commit on.'),
  ('SC001', 'cell_epoch_not_raised', 'a cell keeps its id and its epoch only grows', 'Establish with the same cell_id and a higher epoch.'),
  ('SV001', 'number_not_representable', 'a JSON number is outside the range of IEEE 754 double precision', 'Send large numbers as strings (RFC 8785 section 3.1).'),
  ('SV002', 'month_out_of_range', 'partitions are made for 0 to 24 months ahead', 'Ask for fewer months.'),
  ('SV101', 'case_incomplete', 'a case needs a participant, facts, a next action and a kind that the machine does not open itself', 'Fill or change the member.'),
  ('SN101', 'case_not_found', 'no such case', 'List the open cases.'),
  ('SC101', 'case_already_decided', 'the case has a decision', 'Open a new case if there is news.'),
  ('SA101', 'two_identities_needed', 'a decision needs a maker and a different checker', 'Have a second person confirm.'),
  ('SV201', 'policy_document_invalid', 'the policy document is not complete and consistent', 'Run: symphony policy check FILE.'),
  ('SC201', 'policy_version_exists', 'this policy version exists with other content', 'Use a higher version number.'),
  ('SN201', 'policy_version_not_found', 'no such DRAFT policy version with this checksum', 'Propose it first; compare checksums.'),
  ('SR201', 'no_active_policy', 'no policy version is ACTIVE', 'Activate one; nothing is accepted without.'),
  ('SV202', 'halt_incomplete', 'a halt needs a scope with a subject that a policy knows, an operator and a reason', 'Fill or correct the member.'),
  ('SN202', 'halt_not_in_force', 'no such halt is in force', 'List the halts in force.'),
  ('SC202', 'halt_in_force', 'the same halt is in force', 'Lift it first, or leave it.'),
  ('SV401', 'batch_out_of_bounds', 'a batch holds 1 to its documented maximum of items', 'Send smaller batches.'),
  ('SV402', 'worker_unnamed', 'a worker needs an identifier of 1 to 64 characters', 'Pass p_worker.'),
  ('SV403', 'lease_out_of_bounds', 'a lease lasts from 1 second to 10 minutes', 'Pass a lease within the bounds.'),
  ('SN401', 'rail_not_in_policy', 'the active policy has no such rail', 'Check the rail name; activate a policy that has it.'),
  ('SN403', 'instruction_not_found', 'the participant has no such instruction', 'Check the participant and the instruction id.'),
  ('SV404', 'erasure_incomplete', 'an erasure needs an operator and a reason code', 'Pass both; a reason code has capital letters, digits and _.'),
  ('SC401', 'instruction_not_terminal', 'the parties are still needed: no terminal outcome, or an open case', 'Wait for the outcome; decide the case.'),
  ('SX401', 'sequence_moved_back', 'a participant''s sequence only grows', 'This is a defect: report it.'),
  ('SX402', 'claim_gate_missing', 'the claim gate row «*» is gone, so caps could not be kept', 'Restore it: insert into outbox.claim_gate values (''*'', ''-infinity'', ''-infinity'').'),
  ('SN402', 'attestation_not_found', 'no such ACCEPT attestation of this participant', 'Attest first; pass its id.'),
  ('SV501', 'item_missing', 'an item of the batch is null', 'Send only items.'),
  ('SV601', 'response_classes_invalid', 'the response class document is not complete and consistent', 'Compare with the documented form.'),
  ('SC601', 'response_classes_version_not_next', 'versions of a rail''s response classes grow one by one', 'Use the next version number.');

insert into core.reasons (reason_code, http_status, meaning, next_action) values
  ('JSON_INVALID', 400, 'the body is not strict JSON', 'fix the body'),
  ('JSON_DUPLICATE_MEMBER', 400, 'a JSON object names a member twice', 'fix the body'),
  ('SCHEMA_INVALID', 422, 'the body does not have the documented form', 'fix the named member'),
  ('ITEM_INVALID', 422, 'the database refused a field''s form', 'fix the named member'),
  ('ITEM_UNRECORDABLE', 500, 'the database cannot store the instruction', 'report the correlation id'),
  ('HEADER_INVALID', 400, 'a header is missing, repeated or malformed', 'fix the header'),
  ('IDEMPOTENCY_KEY_MISSING', 400, 'no Idempotency-Key header', 'send one key per instruction'),
  ('IDEMPOTENCY_KEY_INVALID', 400, 'the Idempotency-Key is not 1 to 64 allowed characters', 'use letters, digits and . _ : / + -'),
  ('MEDIA_TYPE_UNSUPPORTED', 415, 'the body is not application/json', 'send application/json'),
  ('CONTENT_CODING_UNSUPPORTED', 415, 'the body is compressed', 'send it uncompressed'),
  ('BODY_TOO_LARGE', 413, 'the body is larger than the limit', 'send less at once'),
  ('BATCH_TOO_LARGE', 422, 'more than 500 instructions in one batch', 'send smaller batches'),
  ('FRAMING_INVALID', 400, 'the request is not well-formed HTTP for this service', 'fix the client'),
  ('AMOUNT_INVALID', 422, 'the amount is not a plain decimal string', 'fix the amount'),
  ('AMOUNT_ZERO', 422, 'the amount is zero', 'fix the amount'),
  ('AMOUNT_DECIMALS', 422, 'more decimal places than ISO 4217 gives the currency', 'fix the amount'),
  ('AMOUNT_TOO_LARGE', 422, 'the amount is too large to be exact everywhere', 'split is a policy matter: ask'),
  ('CURRENCY_INVALID', 422, 'not an ISO 4217 currency', 'fix the currency'),
  ('PROXY_NOT_SUPPORTED', 422, 'the creditor is named only by an alias', 'name an account'),
  ('IDENTITY_MISSING', 401, 'the request names no participant', 'authenticate'),
  ('IDEMPOTENCY_CONFLICT', 409, 'the key or the instruction id was used for other content', 'use a new key and id for new content'),
  ('DUPLICATE_IN_BATCH', 409, 'the same key or id stands twice in the batch and its first use was refused', 'send it again alone'),
  ('PARTICIPANT_UNKNOWN', 403, 'the active policy does not know the participant', 'ask the operator'),
  ('CELL_NOT_HOME', 421, 'the participant is at home in another cell or epoch', 'send to the home cell'),
  ('PARTICIPANT_NOT_SENDING', 403, 'the participant may not send', 'ask the operator'),
  ('HALTED_GLOBAL', 503, 'everything is halted', 'retry later with the same key'),
  ('HALTED_RAIL', 503, 'the rail is halted', 'retry later with the same key'),
  ('HALTED_SENDER', 503, 'sending is halted for the participant', 'retry later with the same key'),
  ('HALTED_RECEIVER', 503, 'receiving is halted for the creditor''s participant', 'retry later with the same key'),
  ('RAIL_NOT_ALLOWED', 403, 'the participant may not use the rail', 'use an allowed rail'),
  ('CREDITOR_PARTICIPANT_UNKNOWN', 422, 'the policy does not know the creditor''s participant', 'fix the participant id'),
  ('CREDITOR_NOT_RECEIVING', 422, 'the creditor''s participant may not receive', 'ask the operator'),
  ('CURRENCY_NOT_ALLOWED', 422, 'the participant or the rail has no limit row for the currency', 'use an allowed currency'),
  ('LIMIT_TRANSACTION', 422, 'the amount exceeds the participant''s limit per transaction', 'ask for a higher limit'),
  ('LIMIT_DAY_COUNT', 422, 'the participant''s count for the day is used up', 'wait for the next day'),
  ('LIMIT_DAY_VALUE', 422, 'the participant''s value for the day would be exceeded', 'wait for the next day'),
  ('UNREGISTERED_REASON', 500, 'the ingress gave a reason that is not registered', 'register it in core.reasons'),
  ('RAIL_REJECTED', 202, 'the rail refused finally', 'read the rail code; send a new instruction'),
  ('RETRY_CEILING', 202, 'certainly not executed, and the retry ceiling is reached', 'send a new instruction later'),
  ('ENQUIRY_EXHAUSTED', 202, 'the outcome stayed uncertain to the end of the enquiry ladder', 'decide the case with two identities'),
  ('REFUSED_BEFORE_CALL', 202, 'refused before any rail call', 'fix and send a new instruction'),
  ('RAIL_UNCERTAIN', 202, 'the answer does not say what happened', 'none: the machine enquires'),
  ('RAIL_NOT_FOUND', 202, 'the rail does not know the reference yet', 'none: the machine enquires'),
  ('RAIL_SETTLED_NOT_FOUND', 202, 'the rail does not know the reference after its settle time', 'none: sent again'),
  ('RAIL_NOT_SENT', 202, 'the call certainly had no effect', 'none: sent again'),
  ('RAIL_ECHO_MISMATCH', 202, 'the rail echoed another amount or currency', 'read the case'),
  ('RAIL_REFERENCE_MISSING', 202, 'the rail accepted without giving a reference', 'none: the machine enquires'),
  ('RELEASED', 202, 'given back by a worker that did not call the rail', 'none: claimed again'),
  ('LEASE_EXPIRED', 202, 'the worker''s lease ran out', 'none: the machine enquires first'),
  ('LEASE_LOST', 202, 'the answer came from a worker that no longer held the lease', 'none');

create table core.month_partitioned (
  schema_name text collate "C" not null,
  table_name text collate "C" not null,
  key_column text collate "C" not null,
  append_only boolean not null,
  creation_order smallint not null unique,
  primary key (schema_name, table_name)
);
alter table core.month_partitioned owner to symphony_core_owner;
comment on table core.month_partitioned is
  'The tables that are RANGE-partitioned by month on a uuidv7 key; ops.ensure_partitions keeps them ahead of time.';
comment on column core.month_partitioned.append_only is 'Leaves get the TRUNCATE trigger, which partitioned tables do not pass on.';
comment on column core.month_partitioned.creation_order is 'Referenced tables first.';

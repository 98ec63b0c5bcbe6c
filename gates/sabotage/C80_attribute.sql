-- expects: outbox.claim_outbox_batch
alter function outbox.claim_outbox_batch(text, integer, text, interval) reset enable_seqscan;

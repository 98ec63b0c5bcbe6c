-- expects: publication planted
create publication planted for table outbox.payment_instructions;

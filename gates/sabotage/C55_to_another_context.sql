-- expects: schema ops
alter schema ops owner to symphony_core_owner;

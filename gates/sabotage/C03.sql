-- expects: core.get_cell()
alter function core.get_cell() owner to symphony_ops_owner;

-- expects: core.get_cell()
grant execute on function core.get_cell() to public;

-- expects: core.get_cell()
alter function core.get_cell() set search_path = '';

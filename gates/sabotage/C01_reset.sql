-- expects: core.get_cell()
alter function core.get_cell() reset search_path;

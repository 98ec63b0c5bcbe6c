-- expects: core.create_month_partition(text,text,date)
alter function core.create_month_partition(text, text, date) security definer;

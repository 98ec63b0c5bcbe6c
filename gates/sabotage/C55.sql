-- expects: schema ops
alter schema ops owner to current_user;

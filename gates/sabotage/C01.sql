-- expects: core.planted()
create function core.planted() returns void language plpgsql security invoker as 'begin return; end';

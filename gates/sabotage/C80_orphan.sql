-- expects: outbox.planted()
create function outbox.planted() returns void language plpgsql as 'begin return; end';

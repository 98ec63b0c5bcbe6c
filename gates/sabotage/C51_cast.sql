-- expects: cast from outbox.lease to text
create cast (outbox.lease as text) with inout;

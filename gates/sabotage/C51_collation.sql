-- expects: collation outbox.planted
create collation outbox.planted from "C";

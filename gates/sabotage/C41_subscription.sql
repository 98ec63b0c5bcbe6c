-- expects: subscription planted
create subscription planted connection 'dbname=elsewhere' publication planted with (connect = false);

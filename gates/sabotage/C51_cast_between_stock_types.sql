-- expects: cast from text to integer
create cast (text as integer) with inout as implicit;

-- expects: operator outbox.===(text,text)
create operator outbox.=== (leftarg = text, rightarg = text, function = texteq);

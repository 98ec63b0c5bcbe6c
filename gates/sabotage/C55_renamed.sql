-- expects: symphony_sealer
alter role symphony_sealer rename to symphony_sealed;

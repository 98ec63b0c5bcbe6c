-- expects: core.now()
alter function core.now() leakproof;

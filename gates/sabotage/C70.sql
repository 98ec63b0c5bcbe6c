-- expects: function policy.halt(
-- More than is expected: nothing here is wrong by its form, it is only not in the matrix.
grant execute on function policy.halt(policy.halt_scope, text, text, policy.halt_direction, text, text) to symphony_maintainer;

"""Attack: the cell's epoch, which decides whom it serves, changes without a trace of who, when and from what."""

from __future__ import annotations

from symphony import api
from tests.payments import establish, policy_document
from tests.sql_cell import row_counts


async def test_raising_the_epoch_leaves_a_ledger_row(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        before = row_counts(fresh_database)
        await api.core.establish_cell(judge, cell_id="cell-test", epoch=2)
        after = row_counts(fresh_database)
        assert after != before, "core.cell was overwritten and nothing was recorded"

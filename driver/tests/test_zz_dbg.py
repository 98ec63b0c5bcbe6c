from tests import test_worker as tw
import pytest
from tests.test_worker import connection, books, rail, WorkerProcess, QUICK, accept, drained
@pytest.mark.parametrize("n", range(6))
async def test_dbg(n,fresh_database, connection, rail, books):
    rail.set_faults({"kind": "timeout_before_effect", "first": 1}, {"kind": "not_idempotent"})
    import time
    with WorkerProcess(fresh_database, rail.base_url, *QUICK) as w:
        t=time.time(); (decision,) = await accept(connection, 1); print("accept",time.time()-t)
        drained(books)
        print("drained",time.time()-t)
        for r in books.rows("select recorded_at::time, state::text, reason_code, action::text, rail_code, latency_us from outbox.payment_outbox_attempts order by entry_no"): print(r)
        for r in books.rows("select recorded_at::time, phase::text, rail_code, outcome,latency_us from rails.rail_messages order by 1"): print(r)
        print(w.log())
        t=time.time()
    print("closed", time.time()-t)
    for r in rail.rows("select called_at, phase, http_status, answer from calls"): print(r)

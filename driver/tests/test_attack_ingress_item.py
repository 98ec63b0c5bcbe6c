"""Attack: one item with an odd fact never fails its batch mates, whatever the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from symphony import api
from tests.payments import establish, item, policy_document

ODD: list[dict[str, Any]] = [
    {"pop_mode": "X"},
    {"pop_mode": None},
    {"body_sha256": b"x"},
    {"body_sha256": None},
    {"cert_sha256": b"x"},
    {"token_jti_sha256": b""},
    {"correlation_id": None},
    {"received_at": None},
    {"verified_at": None},
    {"db_role": None},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: "-".join(f"{name}={value!r}" for name, value in odd.items()))
async def test_an_odd_fact_does_not_fail_its_batch_mate(fresh_database: str, odd: dict[str, Any]) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        decisions = await api.ingress.accept(judge, items=[item("I-1"), replace(item("I-2"), **odd)])
        assert [d.decision for d in decisions] == ["ACCEPT", "REJECT"]

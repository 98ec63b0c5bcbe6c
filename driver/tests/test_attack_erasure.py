"""Attack: after erasure the ledgers must not give the parties back to someone who guesses (unsalted body hashes do)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from symphony import api
from symphony.rails.adapter import salted_sha256
from symphony.rails.sandbox import _payment_body
from tests.payments import establish, item, policy_document
from tests.sql_cell import answer, claim

_PHONE = "+2609770{:05d}"
_PARTIES = '{{"creditor":{{"account":"{}"}},"debtor":{{"account":"100200300"}}}}'


async def test_an_erased_account_cannot_be_found_again_by_guessing(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        secret = _PARTIES.format(_PHONE.format(4_711))
        await api.ingress.accept(judge, items=[replace(item("I-1"), parties=secret)])
        (taken,) = await claim(judge)
        sent = salted_sha256(taken, _payment_body(taken))  # what the adapter reports of a call
        await api.rails.record_answers(judge, worker="w", answers=[answer(taken, request_sha256=sent)])
        await judge.execute("select outbox.erase_parties(%s, 'I-1', 'o', 'ON_REQUEST')", (taken.participant_id,))
        cursor = await judge.execute("select request_sha256 from outbox.payment_outbox_attempts where entry_no = 2")
        ((kept,),) = await cursor.fetchall()
        guesses = (replace(taken, parties=_PARTIES.format(_PHONE.format(n))) for n in range(10_000))
        found = [guess.parties for guess in guesses if sha256(_payment_body(guess)).digest() == kept]
        assert not found, "the erased telephone number was found again"

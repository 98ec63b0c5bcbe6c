"""POST /v1/instructions/batch: every item is judged alone, and the answers come in the items' order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from symphony.api.ingress import Decision, Item
from symphony.ingress import answers
from symphony.ingress.problems import Problem, Refusal
from symphony.ingress.settings import MAX_BATCH_ITEMS
from symphony.ingress.visit import ProvenItem, Visit, claimed_id, item_key
from symphony.instruction import InvalidInput, check_idempotency_key, parse_instruction

_YIELD_EVERY = 50  # instructions parsed before other requests get their turn


class Reject(Protocol):
    """Attests a refusal decided by the ingress and returns its problem document."""

    def __call__(
        self, refusal: Refusal, visit: Visit, instruction_id: str | None, idempotency_key: str | None, /
    ) -> Awaitable[Problem]: ...


async def answer_batch(
    entries: list[object],
    *,
    key: str,
    visit: Visit,
    record: Callable[[Item], Awaitable[Decision]],
    answered: Callable[[Sequence[ProvenItem]], Awaitable[list[ProvenItem]]],
    reject: Reject,
) -> bytes:
    """Record every instruction and return the 200 body.

    Args:
        answered: completes the items that name aliases, all at once; the others are recorded meanwhile.

    Raises:
        Refusal, DatabaseUnavailable, OutcomeUnknown, Overloaded: an item has no decision; the request as a whole is to
            be repeated under the same keys.
    """
    tasks: dict[int, asyncio.Task[dict[str, object]]] = {}
    named: dict[int, ProvenItem] = {}

    def begin(number: int, item: ProvenItem) -> None:
        tasks[number] = asyncio.create_task(_record(item, visit=visit, record=record))

    for number, entry in enumerate(entries):
        if number and number % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        item = _item(entry, number, key=key, visit=visit)
        if isinstance(item, _Malformed):
            tasks[number] = asyncio.create_task(_refuse(item, visit=visit, reject=reject))
        elif item.alias is not None:
            named[number] = item
        else:
            begin(number, item)
    try:
        for number, item in zip(named, await answered(list(named.values())) if named else (), strict=True):
            begin(number, item)
    finally:
        results = await asyncio.gather(*(tasks[number] for number in sorted(tasks)), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return answers.encode({"results": results})


def entries_of(document: object) -> list[object]:
    """The instructions of a document; raises Refusal when it is not {"instructions": [1 to 500 objects]}."""
    if not isinstance(document, dict) or set(document) != {"instructions"}:
        raise Refusal("SCHEMA_INVALID", detail='the body must be {"instructions": [...]}', pointer="")
    entries = document["instructions"]
    if not isinstance(entries, list) or not entries:
        raise Refusal("SCHEMA_INVALID", detail="instructions must be a filled array", pointer="/instructions")
    if len(entries) > MAX_BATCH_ITEMS:
        raise Refusal("BATCH_TOO_LARGE", pointer="/instructions")
    return entries


@dataclass(frozen=True, slots=True)
class _Malformed:
    refusal: Refusal
    instruction_id: str | None
    idempotency_key: str | None


def _item(entry: object, number: int, *, key: str, visit: Visit) -> ProvenItem | _Malformed:
    given: str | None = None
    try:
        if isinstance(entry, dict) and "idempotency_key" in entry:
            entry = dict(entry)
            given = check_idempotency_key(entry.pop("idempotency_key"))
        instruction = parse_instruction(entry)
    except InvalidInput as error:
        refusal = Refusal(error.reason_code, detail=error.message, pointer=f"/instructions/{number}{error.pointer}")
        return _Malformed(refusal, claimed_id(entry), given)
    return visit.item(instruction, idempotency_key=item_key(key, instruction.instruction_id, given))


async def _refuse(malformed: _Malformed, *, visit: Visit, reject: Reject) -> dict[str, object]:
    problem = await reject(malformed.refusal, visit, malformed.instruction_id, malformed.idempotency_key)
    return problem.document()


async def _record(
    item: ProvenItem, *, visit: Visit, record: Callable[[Item], Awaitable[Decision]]
) -> dict[str, object]:
    decision = await record(item)
    if decision.decision == "REJECT":
        return Problem(
            reason_code=decision.reason_code or "UNREGISTERED_REASON",
            correlation_id=visit.correlation_id,
            attestation_id=decision.attestation_id,
        ).document()
    result = {"status": 202, **answers.accepted_document(item.instruction_id or "", decision)}
    if decision.decision == "REPLAY":
        result["idempotency_replayed"] = True
    return result

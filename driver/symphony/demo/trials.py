"""The demonstration's trials: what must be refused, tried for real; each ends in a check of the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from symphony.bao.errors import BaoRefused
from symphony.client import Credentials
from symphony.demo.processes import DemoFailed
from symphony.demo.stage import Services, Stage
from symphony.demo.trust import Sender
from symphony.demo.verdict import Check

_SECRET: Final = "ingress/demonstration"  # noqa: S105 - a path
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """Status, reason code (empty with a success) and whether the refusal names its attestation."""

    status: int
    reason_code: str
    attested: bool

    def __str__(self) -> str:
        return f"{self.status} {self.reason_code}{'' if self.attested else ', not attested'}"


class _Party:
    """A client with its credentials and one keep-alive connection; `connects` counts how often it had to connect."""

    def __init__(self, url: str, sender: Sender) -> None:
        self.credentials = Credentials.read(sender.path, origin=url)
        self.connects = 0
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._connected)
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.credentials.ssl_context(), limit=1),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            trace_configs=[trace],
        )

    async def _connected(self, *_: object) -> None:
        self.connects += 1

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> _Answer:
        """Send exactly this over our connection; raises DemoFailed when nothing answers."""
        try:
            async with self._session.request(method, self._url + target, headers=headers, data=body or None) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoFailed(f"the ingress gave no answer to {method} {target} ({type(error).__name__})") from None
        found: dict[str, Any] = said if isinstance(said, dict) else {}
        return _Answer(answer.status, str(found.get("reason_code", "")), "attestation_id" in found)

    async def ask(self, target: str) -> _Answer:
        """A read with proofs of its own."""
        return await self.send("GET", target, await self.credentials.headers("GET", target))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self.credentials.close()


@asynccontextmanager
async def _parties(stage: Stage, url: str) -> AsyncIterator[tuple[_Party, _Party, _Party]]:
    parties = [_Party(url, stage.senders[name]) for name in ("bank-a", "bank-b", "momo-c")]
    try:
        yield parties[0], parties[1], parties[2]
    finally:
        for party in parties:
            await party.close()


def trials(stage: Stage, services: Services, *, instruction_id: str) -> list[Check]:
    """Try everything; `instruction_id` is one of bank A's. Raises DemoFailed when something gives no answer."""
    return asyncio.run(_trials(stage, services, instruction_id))


async def _trials(stage: Stage, services: Services, instruction_id: str) -> list[Check]:
    target = f"/v1/instructions/{instruction_id}"
    async with _parties(stage, services.ingress_url) as (owner, thief, leaver):
        checks = [
            *await _theft(owner, thief, target),
            await _tampering(owner),
            await _revocation(stage, leaver, target),
        ]
    return [*checks, await _secrets(stage)]


async def _theft(owner: _Party, thief: _Party, target: str) -> list[Check]:
    """What somebody has of it who reads a whole request of bank A's on its way."""
    stolen = await owner.credentials.headers("GET", target)
    by_thief = await thief.send("GET", target, stolen)
    first = await owner.send("GET", target, stolen)
    again = await owner.send("GET", target, stolen)
    own = await thief.ask(target)
    return [
        _refused("bank A's token over bank B's certificate", by_thief, "TOKEN_CERT_MISMATCH"),
        _answered("bank A's own request", first, 200),
        _refused("the same request a second time", again, "DPOP_REPLAYED"),
        _answered("bank B, in its own name, is told of no such payment of its own", own, 404),
    ]


async def _tampering(owner: _Party) -> Check:
    body, changed = (b'{"amount":"%d.00"}' % amount for amount in (1, 1_000_000))
    headers = await owner.credentials.headers("POST", "/v1/instructions", body, "trial-of-a-changed-body")
    sent = await owner.send("POST", "/v1/instructions", headers | {"Content-Type": "application/json"}, changed)
    return _refused("a body that was changed on its way", sent, "DIGEST_MISMATCH", status=400)


async def _revocation(stage: Stage, leaver: _Party, target: str) -> Check:
    before = await leaver.ask(target)
    fingerprint = stage.senders["momo-c"].certificate_sha256.hex()
    await asyncio.to_thread(stage.revoke, fingerprint)
    after = await leaver.ask(target)
    wrong = [] if before.status == 404 else [f"before it was {before}"]
    wrong += [] if leaver.connects == 1 else [f"{leaver.connects} connections were made"]
    check = _refused("a certificate revoked between two requests of one open connection", after, "CERT_REVOKED")
    return Check(check.said, [*wrong, *check.wrong])


async def _secrets(stage: Stage) -> Check:
    await stage.trust.keep_secret(_SECRET, "known to the ingress alone")
    wrong: list[str] = []
    for service, expected in (("ingress", 200), ("worker", 403)):
        session = await stage.trust.session(service)
        try:
            await session.secret(_SECRET)
            status = 200
        except BaoRefused as refused:
            status = refused.status
        finally:
            await session.close()
        if status != expected:
            wrong.append(f"the {service} got {status}")
    return Check(
        "refused: at OpenBao the worker asks for a secret of the ingress, which the ingress may read: 403", wrong
    )


def _refused(said: str, answer: _Answer, reason_code: str, *, status: int = 401) -> Check:
    held = answer == _Answer(status, reason_code, attested=True)
    return Check(f"refused and attested: {said}: {status} {reason_code}", [] if held else [str(answer)])


def _answered(said: str, answer: _Answer, status: int) -> Check:
    return Check(f"answered: {said}: {status}", [] if answer.status == status else [str(answer)])

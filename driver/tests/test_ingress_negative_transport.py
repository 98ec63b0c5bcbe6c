"""The rows T1 to T11 of the ingress requirements against the running zero-trust ingress: connection and certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.trust import base64url
from tests.ingress_bench import A, B, rows
from tests.ingress_negative import Case, Judge, Knobs, judging, now
from tests.ingress_sender import Client, Wire
from tests.ingress_trust_stage import TrustStage
from tests.tls_stage import ISSUING, ROOT, SERVER, Authority, Leaf
from tests.trust_material import p256

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIBLING = Authority("sibling CA", signer=ROOT)


def holding(leaf: Leaf, client_id: str, participant_id: str = A) -> Client:
    """A client that holds this certificate."""
    return Client(
        client_id=client_id,
        participant_id=participant_id,
        certificate_pem=leaf.certificate_pem,
        key_pem=leaf.key_pem,
        der=leaf.der,
        keyid=f"{client_id}-1",
        signing=p256(),
    )


ODD = {
    "T4 no EKU": holding(ISSUING.leaf(None), "client-no-eku"),
    "T5 no SAN": holding(ISSUING.leaf(names=()), "client-no-san"),
    "T6 revoked": holding(ISSUING.leaf(), "client-revoked"),
    "T3 kept alive": holding(ISSUING.leaf(ends_s=86_400), "client-kept"),
}
OTHER = holding(ISSUING.leaf(), "client-other", B)


async def reissue(stage: TrustStage) -> None:
    """Let an issuing CA below a root issue the clients' certificates; register every one of them, odd or not."""
    authority: Any = ISSUING
    stage.clients = authority
    stage.a = holding(ISSUING.leaf(), "client-t")
    for client in (stage.a, OTHER, *ODD.values()):
        await stage.register(client)
    await stage.revoke(ODD["T6 revoked"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One ingress for this table."""
    async with judging(database_url, tmp_path_factory.mktemp("transport"), prepare=reissue) as made:
        yield made


def by(client: Client) -> Callable[[TrustStage], Knobs]:
    """A request of another client, with everything that it has to prove."""
    return lambda stage: {"sender": stage.sender(client)}


def bound_to(change: Callable[[bytes], dict[str, Any]]) -> Callable[[TrustStage], Knobs]:
    """A token bound to the certificate in another way."""
    return lambda stage: {"dpop": False, "token": {"claims": {"cnf": change(stage.a.cert_sha256)}}}


UNBOUND, MISMATCH = ("TOKEN_NOT_BOUND", 401), ("TOKEN_CERT_MISMATCH", 401)
CASES: dict[str, Case] = {
    "T4 no EKU": ("CERT_USAGE_REFUSED", 401, by(ODD["T4 no EKU"])),
    "T5 no SAN": ("CERT_IDENTITY_MISSING", 401, by(ODD["T5 no SAN"])),
    "T5 issued, never registered": ("CERT_UNREGISTERED", 401, by(holding(ISSUING.leaf(), "client-t"))),
    "T5 registered to another client": (
        "CERT_CLIENT_MISMATCH", 401, lambda s: by(OTHER)(s) | {"token": {"claims": {"client_id": "client-t"}}},
    ),
    "T6 revoked before the connection": ("CERT_REVOKED", 401, by(ODD["T6 revoked"])),
    "T9 client A's token over client B's certificate": (*MISMATCH, {"certificate": OTHER}),
    "T9 bound to the certificate alone, over another": (*MISMATCH, {"dpop": False, "certificate": OTHER}),
    "T9 no cnf": (*UNBOUND, {"dpop": False, "token": {"claims": {"cnf": ...}}}),
    "T9 empty cnf": (*UNBOUND, bound_to(lambda _: {})),
    "T9 SHA-1 only": (*UNBOUND, bound_to(lambda h: {"x5t": base64url.encode(h[:20])})),
    "T9 hexadecimal": (*UNBOUND, bound_to(lambda h: {"x5t#S256": h.hex()})),
    "T9 padded": (*UNBOUND, bound_to(lambda h: {"x5t#S256": base64url.encode(h) + "="})),
    "T9 cut short": (*UNBOUND, bound_to(lambda h: {"x5t#S256": base64url.encode(h[:31])})),
    "T9 another hash": (*MISMATCH, bound_to(lambda h: {"x5t#S256": base64url.encode(h[::-1])})),
    "T10 Client-Cert": ("CERT_HEADER_INVALID", 400, {"extra": [("Client-Cert", ":AAAA:")]}),
    "T10 Client_Cert": ("HEADER_INVALID", 400, {"extra": [("Client_Cert", ":AAAA:")]}),
    "T10 two Client-Cert": ("HEADER_INVALID", 400, {"extra": [("Client-Cert", ":AAAA:")] * 2}),
    "T11 only the DPoP key holds": (*MISMATCH, {"certificate": OTHER, "scheme": "DPoP"}),
    "T11 only the certificate holds": ("DPOP_KEY_MISMATCH", 401, {"proof": {"signer": p256()}}),
    "T11 only the certificate is there": ("DPOP_HEADER_INVALID", 401, {"drop": ["DPoP"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_another_certificate_is_refused_once_attested_and_nothing_recorded(judge: Judge, name: str) -> None:
    await judge.judge(CASES[name])


async def test_registered_certificates_are_accepted(judge: Judge) -> None:
    for client in (judge.stage.a, OTHER):
        await judge.stage.accepts(judge.stage.sender(client))


async def test_t3_a_certificate_that_expires_ends_the_service_of_its_open_connection(judge: Judge) -> None:
    moved = [0]
    async with judge.stage.serving(clock=lambda: now(moved[0])):
        sender = judge.stage.sender(ODD["T3 kept alive"])
        wire = await sender.connect()
        assert (await sender.send(over=wire)).status == 202
        moved[0] = 90_000
        await judge.stage.refuses("CERT_EXPIRED", 401, sender=sender, over=wire)
        wire.close()


async def test_t6_a_certificate_that_is_revoked_ends_the_service_of_its_open_connection(judge: Judge) -> None:
    client = holding(ISSUING.leaf(), "client-revoked-later")
    await judge.stage.register(client)
    async with judge.stage.serving():
        sender = judge.stage.sender(client)
        wire = await sender.connect()
        assert (await sender.send(over=wire)).status == 202
        await judge.stage.revoke(client)
        await judge.stage.refuses("CERT_REVOKED", 401, sender=sender, over=wire)
        wire.close()


REFUSED = "CONNECTION_CERTIFICATE_REFUSED"
CONNECTIONS: dict[str, tuple[Callable[[], Leaf | None], str, int | None]] = {
    "T1 no certificate": (lambda: None, "CONNECTION_NO_CERTIFICATE", None),
    "T2 self-signed": (lambda: Authority("a leaf", ca=False).itself(), REFUSED, 18),
    "T2 of another root": (lambda: Authority("other").leaf(), REFUSED, 20),
    "T2 of a sibling of the same root": (lambda: SIBLING.leaf(chain=SIBLING.pem + ROOT.pem), REFUSED, 19),
    "T3 expired": (lambda: ISSUING.leaf(begins_s=-7_200, ends_s=-5), "CONNECTION_CERTIFICATE_EXPIRED", 10),
    "T3 not yet valid": (lambda: ISSUING.leaf(begins_s=60), "CONNECTION_CERTIFICATE_NOT_YET_VALID", 9),
    "T4 for a server": (lambda: ISSUING.leaf(SERVER), "CONNECTION_PURPOSE_REFUSED", 26),
    "T4 for anything": (
        lambda: ISSUING.leaf((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "CONNECTION_PURPOSE_REFUSED", 26,
    ),
}  # fmt: skip


async def connect(stage: TrustStage, leaf: Leaf | None) -> Wire:
    """Open a connection with this certificate, or with none."""
    if leaf is not None:
        return await stage.sender().connect(holding(leaf, "client-t"))
    assert stage.service is not None
    context = ssl.create_default_context(cadata=stage.servers.pem.decode())
    return Wire(*await asyncio.open_connection("127.0.0.1", stage.service.port, ssl=context))


async def test_what_the_handshake_refuses_is_counted_and_not_served(judge: Judge) -> None:
    """TLS 1.3 clients finish first and send at once: nothing is answered, and one row counts each refusal's cause."""
    stage = judge.stage
    before = await judge.counts()
    async with stage.serving():
        for make, _, _ in CONNECTIONS.values():
            wire = await connect(stage, make())
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await wire.ask(stage.sender().request())
            wire.close()
    counted = await rows(
        stage.dsn,
        "select reason_code, verify_code, sum(refusals)::integer from ingress.refusal_counts"
        " where level = 'CONNECTION' and cert_sha256 is null and peer_address = '127.0.0.1' group by 1, 2",
    )
    assert {row[:2]: row[2] for row in counted} == Counter((reason, code) for _, reason, code in CONNECTIONS.values())
    assert await judge.counts() == before

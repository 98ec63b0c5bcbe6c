"""A token that was verified before is believed again only for the same text, under the same key, and in its time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from symphony.ingress import zero_trust
from symphony.ingress.zero_trust import ZeroTrustIdentifier
from symphony.trust.access_token import AccessToken, TokenPolicy, check_access_token, read_access_token
from symphony.trust.compact_jws import CompactJws
from symphony.trust.keys import VerificationKey, key_from_jwk
from symphony.trust.known_tokens import KnownTokens
from tests.ingress_trust_stage import TrustStage, trust_stage
from tests.trust_material import AUDIENCE, ISSUER, ISSUER_KEY, NOW, compact, p256, token_claims, token_header


@pytest.fixture
async def stage(fresh_database: str, tmp_path: Path) -> AsyncIterator[TrustStage]:
    """Everything around one ingress."""
    async with trust_stage(fresh_database, tmp_path) as made:
        yield made


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jti of every token whose signature was verified."""
    seen: list[str] = []

    def counted(jws: CompactJws, *, key: VerificationKey, policy: TokenPolicy, now: int) -> AccessToken:
        token = check_access_token(jws, key=key, policy=policy, now=now)
        seen.append(token.jti)
        return token

    monkeypatch.setattr(zero_trust, "check_access_token", counted)
    return seen


def identifier(stage: TrustStage) -> ZeroTrustIdentifier:
    """The running ingress's."""
    assert stage.service is not None
    found = stage.service.engine.ingress._identifier
    assert isinstance(found, ZeroTrustIdentifier)
    return found


async def test_a_token_is_verified_once_while_every_request_proves_anew(stage: TrustStage, verified: list[str]) -> None:
    async with stage.serving():
        sender = stage.sender()
        token = sender.token(claims={"jti": "once-and-only"})
        for _ in range(3):
            await stage.accepts(sender, wire_token=token)
        assert verified == ["once-and-only"]
        proof = sender.proof(token, method="POST", path="/v1/instructions")
        await stage.accepts(sender, wire_token=token, wire_proof=proof)
        await stage.refuses("DPOP_REPLAYED", 401, wire_token=token, wire_proof=proof)
        await stage.refuses("TOKEN_DOWNGRADED", 401, wire_token=token, scheme="Bearer")
        await stage.refuses("TOKEN_CERT_MISMATCH", 401, wire_token=token, certificate=stage.b)


async def test_another_text_is_another_token(stage: TrustStage, verified: list[str]) -> None:
    async with stage.serving():
        token = stage.sender().token()
        await stage.accepts(wire_token=token)
        head, payload, signature = token.split(".")
        bent = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        await stage.refuses("TOKEN_SIGNATURE_INVALID", 401, wire_token=bent)
        assert len(verified) == 1


async def test_it_falls_with_the_issuers_key(stage: TrustStage, verified: list[str]) -> None:
    async with stage.serving():
        keys, token = identifier(stage)._jwks, stage.sender().token()
        await stage.accepts(wire_token=token)
        await keys.refresh()
        await stage.accepts(wire_token=token)
        assert len(verified) == 2, "keys that were fetched anew are believed for themselves"
        stage.key_server.keys = [p256("issuer-1").jwk]  # the same name
        await keys.refresh()
        await stage.refuses("TOKEN_SIGNATURE_INVALID", 401, wire_token=token)
        stage.key_server.keys = [p256("issuer-2").jwk]
        await keys.refresh()
        attested = await stage.refuses("TOKEN_KEY_UNKNOWN", 401, wire_token=token)
        assert attested["token_kid"] == "issuer-1"


@pytest.mark.parametrize(("moved_s", "reason"), [(231, "TOKEN_EXPIRED"), (-60, "TOKEN_NOT_YET_VALID")])
async def test_its_time_is_checked_at_every_use(stage: TrustStage, moved_s: int, reason: str) -> None:
    moved = [0]
    async with stage.serving(clock=lambda: int(time.time()) + moved[0]):
        token = stage.sender().token(claims={"jti": "in-its-time"})
        await stage.accepts(wire_token=token)
        moved[0] = moved_s
        attested = await stage.refuses(reason, 401, wire_token=token)
        assert attested["token_jti_sha256"] == hashlib.sha256(b"in-its-time").digest()


def test_the_oldest_make_room() -> None:
    known, key = KnownTokens(max_kept=2), key_from_jwk(ISSUER_KEY.jwk)
    wires = [compact(token_header(), token_claims() | {"jti": f"token-no-{n}"}, ISSUER_KEY.sign) for n in range(3)]
    for wire in wires:
        policy = TokenPolicy(issuer=ISSUER, audience=AUDIENCE)
        known.keep(check_access_token(read_access_token(wire), key=key, policy=policy, now=NOW), key)
    assert [known.find(wire) is not None for wire in wires] == [False, True, True]

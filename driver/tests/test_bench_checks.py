"""What `symphony bench http` measures of each check holds before it is measured, and is measured for each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from symphony.bench import checks
from symphony.client import Credentials
from symphony.client.proofs import public_jwk
from symphony.trust.client_certificate import IssuingAuthority
from symphony.trust.jwks import keys_of
from symphony.trust.refusal import TrustRefused
from symphony.trust.signature_keys import public_signature_key
from tests.sender_material import AUDIENCE, der_of, issuing

ORIGIN, TARGET, BODY = "https://127.0.0.1:8443", "/v1/instructions", b"{}"


async def test_every_check_is_measured_on_what_holds_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_CALLS", 3)
    key = ec.generate_private_key(ec.SECP256R1())
    async with issuing(tmp_path) as stage:
        path = stage.credentials(signature_key=key)
        stage.opened.append(Credentials.read(path, origin=ORIGIN))
        specimen = checks.Specimen(
            certificate=der_of((path / "client.crt.pem").read_bytes()),
            authority=IssuingAuthority(der_of(stage.clients.pem)),
            headers=await stage.opened[0].headers("POST", TARGET, BODY, "k"),
            target=TARGET,
            body=BODY,
            origin=ORIGIN,
            issuer=stage.issuer.url,
            audience=AUDIENCE,
            token_keys=keys_of(json.dumps(stage.issuer.mint.key_set()).encode(), max_keys=4),
            signature_key=public_signature_key(public_jwk(key), keyid="client-a-1", client_id="client-a"),
            now=stage.clock(),
        )
    found = checks.microseconds(specimen)
    assert len(found) == 12
    assert all(us >= 0 for us in found.values())
    assert found["each_request_in_all"] > 0
    parts = sum(us for name, us in found.items() if name != "each_request_in_all" and name not in checks._NOT_EACH)
    assert found["each_request_in_all"] == pytest.approx(parts, abs=0.1)
    with pytest.raises(TrustRefused, match="DIGEST_MISMATCH"):
        checks.microseconds(replace(specimen, body=b"[]"))

"""A sender whose every proof can be bent: one raw request over mutual TLS, good unless told otherwise."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from symphony.trust import base64url
from tests.ingress_bench import Answer, instruction
from tests.trust_material import ISSUER, Pair, changed, compact, p256

ORIGIN = "https://pay.example"
AUDIENCE = "https://pay.example"
SCOPES = "payment:submit payment:status evidence:read"
COVERED = ("@method", "@target-uri", "authorization", "content-digest", "dpop", "idempotency-key")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client of a participant: what it holds, registered or not."""

    client_id: str
    participant_id: str
    certificate_pem: bytes
    key_pem: bytes
    der: bytes
    keyid: str
    signing: Pair = field(default_factory=p256)
    dpop: Pair = field(default_factory=p256)

    @property
    def cert_sha256(self) -> bytes:
        """What the registry knows the certificate by."""
        return hashlib.sha256(self.der).digest()


@dataclass(frozen=True, kw_only=True)
class Signing:
    """How a request is signed; `parameters` change those of the signature (... takes one away).

    Attributes:
        covered: components; None: those that a good signature covers.
        key: what signs, a pair or a shared secret; None: the client's own.
        flip: spoil the signature.
        fields: sent instead of Signature-Input and Signature.
    """

    covered: Sequence[str] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    key: Pair | bytes | None = None
    flip: bool = False
    fields: dict[str, str] | None = None


class Wire:
    """One TLS connection to the ingress."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        self._writer.write(request)
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        raw = await self._reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(head[0].split(" ")[1]), headers, raw)

    async def ended(self) -> bool:
        """Whether the server has closed it."""
        return await asyncio.wait_for(self._reader.read(1), 20) == b""

    def close(self) -> None:
        """Close it."""
        self._writer.close()


class Sender:
    """Makes and sends requests; every argument of `send` bends one thing.

    Args:
        issuer: signs the tokens.
        server_ca_pem: whom to believe about the ingress.
    """

    def __init__(self, client: Client, *, port: int, issuer: Pair, server_ca_pem: bytes) -> None:
        self.client = client
        self._port = port
        self._issuer = issuer
        self._server_ca_pem = server_ca_pem

    async def connect(self, client: Client | None = None) -> Wire:
        """Open a connection with the certificate of a client."""
        who = client or self.client
        context = ssl.create_default_context(cadata=self._server_ca_pem.decode())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pem"
            path.write_bytes(who.certificate_pem + who.key_pem)
            context.load_cert_chain(path)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=context)
        return Wire(reader, writer)

    async def send(self, *, over: Wire | None = None, certificate: Client | None = None, **knobs: Any) -> Answer:
        """Send one request over a connection, or over one of its own."""
        wire = over or await self.connect(certificate)
        try:
            return await wire.ask(self.request(**knobs))
        finally:
            if over is None:
                wire.close()

    def token(
        self,
        *,
        dpop: bool = True,
        bound: bool = True,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        signer: Pair | None = None,
    ) -> str:
        """An access token for the client; changes to ... take a member away."""
        now = int(time.time())
        cnf = {"x5t#S256": base64url.encode(self.client.cert_sha256)} if bound else {}
        if dpop:
            cnf["jkt"] = base64url.encode(self.client.dpop.jkt)
        good = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": self.client.participant_id, "client_id": self.client.client_id,
            "jti": str(uuid.uuid4()), "iat": now - 5, "nbf": now - 5, "exp": now + 200, "scope": SCOPES, "cnf": cnf,
        }  # fmt: skip
        issuer = signer or self._issuer
        typed = {"alg": issuer.alg, "kid": "issuer-1", "typ": "at+jwt"}
        return compact(changed(typed, header or {}), changed(good, claims or {}), issuer.sign)

    def proof(
        self,
        token: str,
        *,
        method: str,
        path: str,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        signer: Pair | None = None,
    ) -> str:
        """A DPoP proof for one request."""
        pair = signer or self.client.dpop
        good = {
            "jti": str(uuid.uuid4()), "htm": method, "htu": ORIGIN + path, "iat": int(time.time()),
            "ath": base64url.encode(hashlib.sha256(token.encode()).digest()),
        }  # fmt: skip
        typed = {"typ": "dpop+jwt", "alg": pair.alg, "jwk": pair.jwk}
        return compact(changed(typed, header or {}), changed(good, claims or {}), pair.sign)

    def request(
        self,
        *,
        method: str = "POST",
        path: str = "/v1/instructions",
        body: object = None,
        key: str | None = None,
        dpop: bool = True,
        wire_token: str | None = None,
        token: dict[str, Any] | None = None,
        scheme: str | None = None,
        wire_proof: str | None = None,
        proof: dict[str, Any] | None = None,
        digest: str | None = None,
        signing: Signing | None = Signing(),
        drop: Sequence[str] = (),
        extra: Sequence[tuple[str, str]] = (),
        sent_body: bytes | None = None,
    ) -> bytes:
        """The bytes of one request.

        Args:
            dpop: the token is bound to a DPoP key and comes with a proof; else it is bound to the certificate alone.
            token, proof: knobs of `token` and `proof`; wire_token, wire_proof: sent instead.
            digest: sent as Content-Digest instead of the right one.
            signing: None sends no signature.
            drop: fields that are left out at the end, signed or not.
            extra: fields added at the end, not signed.
            sent_body: sent instead of the body that digest and signature are over.
        """
        raw = _raw(body, method)
        text = wire_token or self.token(dpop=dpop, **(token or {}))
        fields = {"Host": "pay.example", "Authorization": f"{scheme or ('DPoP' if dpop else 'Bearer')} {text}"}
        if dpop:
            fields["DPoP"] = wire_proof or self.proof(text, method=method, path=path, **(proof or {}))
        if raw:
            right = f"sha-256=:{base64.b64encode(hashlib.sha256(raw).digest()).decode()}:"
            fields |= {"Content-Type": "application/json", "Content-Digest": digest or right}
            fields["Idempotency-Key"] = key or f"K-{uuid.uuid4()}"
        if signing is not None:
            fields |= signing.fields or self._signed(signing, method, path, fields)
        lines = [(name, value) for name, value in fields.items() if name not in drop]
        sent = raw if sent_body is None else sent_body
        if sent:
            lines.append(("Content-Length", str(len(sent))))
        head = "".join(f"{name}: {value}\r\n" for name, value in [*lines, *extra])
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + sent

    def _signed(self, how: Signing, method: str, path: str, fields: dict[str, str]) -> dict[str, str]:
        here = {"@method": method, "@target-uri": ORIGIN + path} | {name.lower(): v for name, v in fields.items()}
        covered = [name for name in COVERED if name in here] if how.covered is None else how.covered
        good = {
            "created": int(time.time()), "nonce": str(uuid.uuid4()), "keyid": self.client.keyid, "tag": "fapi-2-request",
        }  # fmt: skip
        given = changed(good, how.parameters)
        written = "".join(f";{name}={json.dumps(value)}" for name, value in given.items())
        described = "({}){}".format(" ".join(f'"{name}"' for name in covered), written)
        base = "".join(f'"{name}": {here.get(name, "")}\n' for name in covered) + f'"@signature-params": {described}'
        key = how.key or self.client.signing
        made = hmac.digest(key, base.encode(), "sha256") if isinstance(key, bytes) else key.sign(base.encode())
        if how.flip:
            made = bytes([made[0] ^ 1]) + made[1:]
        return {"Signature-Input": f"s={described}", "Signature": f"s=:{base64.b64encode(made).decode()}:"}


def _raw(body: object, method: str) -> bytes:
    if isinstance(body, bytes):
        return body
    if body is None:
        return json.dumps(instruction(uuid.uuid4().hex)).encode() if method == "POST" else b""
    return json.dumps(body).encode()

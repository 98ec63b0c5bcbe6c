"""What the development issuer answers: GET /jwks.json for anybody, POST /token for who shows a client certificate."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from multidict import MultiDictProxy

from symphony.issuer.minting import Grant, Mint
from symphony.trust import base64url
from symphony.trust.client_certificate import ClientCertificate, IssuingAuthority, check_client_certificate
from symphony.trust.compact_jws import DPOP_PROOF, read_compact
from symphony.trust.dpop import DpopPolicy, check_dpop
from symphony.trust.keys import key_from_jwk
from symphony.trust.origin import Origin
from symphony.trust.refusal import Reason, TrustRefused

TOKEN: Final = "/token"  # noqa: S105 - a path
KEY_SET: Final = "/jwks.json"
_CLIENT: Final = re.compile(r"UniformResourceIdentifier:urn:symphony:client:([A-Za-z0-9._:-]{1,64})").fullmatch


class _Refused(Exception):
    """An error of RFC 6749 5.2."""

    def __init__(self, error: str, *, status: int = 400, description: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error} | ({"error_description": description} if description else {})


@dataclass(slots=True)
class Endpoints:
    """The two resources.

    Attributes:
        mint: makes the tokens.
        allowed: the scopes that a client may have; a token gets those of them that are asked for.
        authority: the one that issues client certificates; who the client is stands in the certificate.
        clock: epoch seconds.
        origin: our own address, which a proof's htu must name.
    """

    mint: Mint
    allowed: Sequence[str]
    authority: IssuingAuthority
    clock: Callable[[], int]
    origin: Origin

    def application(self) -> web.Application:
        """What serves them."""
        application = web.Application(client_max_size=16_384)
        application.router.add_get(KEY_SET, self._key_set)
        application.router.add_post(TOKEN, self._token)
        return application

    async def _key_set(self, _request: web.Request) -> web.Response:
        return web.json_response(self.mint.key_set(), headers={"Cache-Control": "no-cache"})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            answer = self._granted(request, await request.post())
        except _Refused as refused:
            return web.json_response(refused.body, status=refused.status, headers={"Cache-Control": "no-store"})
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    def _granted(self, request: web.Request, form: MultiDictProxy[Any]) -> dict[str, Any]:
        if form.getall("grant_type", []) != ["client_credentials"]:
            raise _Refused("unsupported_grant_type")
        certificate = self._certificate(request)
        client_id = _client_id(certificate)
        if form.get("client_id", client_id) != client_id:
            raise _Refused("invalid_client", status=401, description="client_id is not the certificate's")
        asked = str(form.get("scope", " ".join(self.allowed))).split(" ")
        scopes = [scope for scope in self.allowed if scope in asked]
        if not scopes:
            raise _Refused("invalid_scope")
        jkt = self._jkt(request)
        grant = Grant(client_id=client_id, scopes=scopes, certificate_sha256=certificate.sha256, jkt=jkt)
        return {
            "access_token": self.mint.token(grant),
            "token_type": "Bearer" if jkt is None else "DPoP",
            "expires_in": self.mint.lifetime_s,
            "scope": " ".join(scopes),
        }

    def _certificate(self, request: web.Request) -> ClientCertificate:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der is None:
            raise _Refused("invalid_client", status=401, description="no client certificate")
        try:
            return check_client_certificate(der, authority=self.authority, now=self.clock())
        except TrustRefused as refused:
            raise _Refused("invalid_client", status=401, description=refused.reason_code) from None

    def _jkt(self, request: web.Request) -> bytes | None:
        """The thumbprint of the key that a proof shows (RFC 9449 5). Proofs are not remembered: TLS ties them."""
        proofs = request.headers.getall("DPoP", [])
        if not proofs:
            return None
        try:
            if len(proofs) != 1:
                raise TrustRefused(Reason.DPOP_HEADER_INVALID, "more than one DPoP field")
            jwk = read_compact(proofs[0], kind=DPOP_PROOF).jwk
            jkt = base64url.decode(key_from_jwk(jwk, reason=Reason.DPOP_KEY_REFUSED).thumbprint) or b""
            check_dpop(
                proofs[0],
                policy=DpopPolicy(origin=self.origin),
                method="POST",
                target=request.raw_path,
                token_sha256=None,
                jkt=jkt,
                now=self.clock(),
            )
        except TrustRefused as refused:
            raise _Refused("invalid_dpop_proof", description=refused.reason_code) from None
        return jkt


def _client_id(certificate: ClientCertificate) -> str:
    """The client that the certificate names, as OpenBao's role for participants writes it."""
    found = [match[1] for match in map(_CLIENT, certificate.names) if match]
    if len(found) != 1:
        raise _Refused("invalid_client", status=401, description="the certificate names no client")
    return found[0]

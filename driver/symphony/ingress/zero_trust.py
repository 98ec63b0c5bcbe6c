"""The zero-trust ingress's side of the seam: every request proves certificate, token, sender and body anew.

Order of checks: certificate (form, issuer, validity, registered, not revoked), access token, sender constraint, whose
the certificate is; after the body: digest and signature. The database repeats what it knows better: registration,
revocation, replay. Nothing here is believed for longer than a request but what cannot change: the form of a
connection's certificate, and the signature of a token text while the issuer's key stands.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from aiohttp.web import BaseRequest

from symphony.api.ingress import Proof
from symphony.api.trust import ClientCert
from symphony.ingress.buckets import TokenBuckets
from symphony.ingress.connection import connection_of, peer_certificate
from symphony.ingress.identity import ROLES
from symphony.ingress.problems import Refusal
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.registry import Registry, RegistryCache
from symphony.ingress.signing_keys import SigningKeys
from symphony.ingress.trust_settings import TrustSettings
from symphony.ingress.visit import Visit
from symphony.trust import base64url
from symphony.trust.access_token import (
    AccessToken,
    Capability,
    check_access_token,
    read_access_token,
    require_capability,
    require_current_token,
)
from symphony.trust.client_certificate import (
    ClientCertificate,
    IssuingAuthority,
    check_client_certificate,
    require_current,
)
from symphony.trust.content_digest import check_content_digest
from symphony.trust.dpop import NonceSource
from symphony.trust.http_signature import SignedRequest, check_signed_request
from symphony.trust.jwks import Jwks
from symphony.trust.known_tokens import KnownTokens
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.sender_constraint import SenderProof, check_sender, read_authorization

MAX_KEPT_CERTIFICATES: Final = 256  # of one connection: more than one only behind a proxy
_UNSIGNED: Final = frozenset({Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_ALGORITHM_REFUSED, Reason.TOKEN_SIGNATURE_INVALID})


class ZeroTrustIdentifier:
    """Implements `Identifier`.

    Args:
        authority: issues client certificates; `trust_authority` changes it.
        check_login: raises LoginLeaseEnded when this ingress's own credentials are over.
        clock: epoch seconds.
    """

    def __init__(
        self,
        *,
        settings: TrustSettings,
        authority: IssuingAuthority,
        registry: RegistryCache,
        jwks: Jwks,
        keys: SigningKeys,
        counter: RefusalCounter,
        check_login: Callable[[], None],
        nonces: NonceSource | None,
        clock: Callable[[], int],
    ) -> None:
        self._authority = authority
        self._registry = registry
        self._jwks = jwks
        self._keys = keys
        self._counter = counter
        self._check_login = check_login
        self._nonces = nonces
        self._clock = clock
        self._tokens = settings.token_policy()
        self._known = KnownTokens()
        self._dpop = settings.dpop_policy(nonces)
        self._signatures = settings.signature_policy()
        self._rates = TokenBuckets(
            rate_per_s=settings.certificate_requests_per_s, burst=settings.certificate_requests_burst
        )

    def trust_authority(self, authority: IssuingAuthority) -> None:
        """Believe certificates of this CA from now on, and no longer those of the one before."""
        self._authority = authority

    def admit(self, request: BaseRequest, visit: Visit) -> None:
        """Check our own credentials, then the certificate's rate; raises LoginLeaseEnded, Refusal (RATE_LIMITED)."""
        self._check_login()
        visit.cert_sha256 = connection_of(request).cert_sha256
        if visit.cert_sha256 is not None:  # behind a proxy it is the request's, and not read yet
            self._check_rate(visit)

    async def identify(self, request: BaseRequest, visit: Visit) -> None:
        """Check certificate, access token and sender constraint; raises Refusal (CERT_*, TOKEN_*, DPOP_*, ...)."""
        now = self._clock()
        registry = self._registry.current()
        with self._refusals(now):
            registered = self._certified(request, visit, registry, now)
            scheme, wire = read_authorization(request.headers.getall("Authorization", ()))
            token = await self._token(wire, visit, now)
            sender = check_sender(
                token,
                scheme=scheme,
                certificate_sha256=visit.cert_sha256,
                proofs=request.headers.getall("DPoP", ()),
                policy=self._dpop,
                method=request.method,
                target=request.raw_path,
                now=now,
            )
        _keep(visit, token, sender)
        if token.client_id != registered.client_id:
            raise Refusal("CERT_CLIENT_MISMATCH", detail="client_id is not the certificate's client")
        visit.verified()

    def check_body(self, request: BaseRequest, body: bytes, visit: Visit) -> None:
        """Check Content-Digest and signature; reads, and what the rule lets be, may be unsigned."""
        headers = request.headers
        if "Signature" not in headers and "Signature-Input" not in headers:
            if request.method == "GET":
                return
            if not self._registry.current().state.signature_required:
                with self._refusals(0):
                    check_content_digest(headers.getall("Content-Digest", ()), body)
                return
        now = self._clock()
        with self._refusals(now):
            signature = check_signed_request(
                SignedRequest(
                    method=request.method,
                    origin=self._dpop.origin,
                    target=request.raw_path,
                    fields=tuple(headers.items()),
                    body=body,
                ),
                keys=self._keys.current,
                client_id=visit.client_id or "",
                policy=self._signatures,
                now=now,
            )
        visit.signature_key_id, visit.signature_alg = signature.keyid, signature.alg
        visit.proof = replace(
            visit.proof or Proof(),
            signature_nonce_sha256=None if signature.nonce is None else _sha256(signature.nonce),
            signature_created=signature.created,
        )
        visit.verified()

    def authorize(self, visit: Visit, capability: Capability) -> None:
        """Check that the token's scopes allow it; raises Refusal (TOKEN_SCOPE_INSUFFICIENT)."""
        with self._refusals(self._clock()):
            if visit.token is None:
                raise TrustRefused(Reason.AUTHORIZATION_MISSING, "nothing was identified")
            require_capability(visit.token, capability)
        visit.db_role = ROLES[capability]

    def _check_rate(self, visit: Visit) -> None:
        name = (visit.cert_sha256 or b"").hex()
        if not self._rates.take(name):
            self._counter.note("RATE_LIMITED", cert_sha256=visit.cert_sha256, level="REQUEST")
            raise Refusal("RATE_LIMITED", retry_after_s=max(1, math.ceil(self._rates.wait_s(name))))

    def _certified(self, request: BaseRequest, visit: Visit, registry: Registry, now: int) -> ClientCert:
        """The certificate's registration; the sender is known from here on, and not before."""
        certificate = self._certificate(request, visit, now)
        require_current(certificate, now=now)
        registered = registry.certificates.get(certificate.sha256)
        if registered is None:
            raise Refusal("CERT_UNREGISTERED")
        if registered.revoked_at is not None:
            raise Refusal("CERT_REVOKED")
        visit.participant_id, visit.tenant_id = registered.participant_id, registered.tenant_id
        visit.client_id = registered.client_id
        fresh_until = registry.state.revocation_fresh_until
        if fresh_until is None or now >= fresh_until.timestamp():
            raise Refusal("REVOCATION_STALE")
        return registered

    def _certificate(self, request: BaseRequest, visit: Visit, now: int) -> ClientCertificate:
        """The client certificate, whose form and issuer are checked once for a connection."""
        der = peer_certificate(request)
        if der is None:
            raise TrustRefused(Reason.CERT_MISSING, "the connection has no client certificate")
        kept = connection_of(request).kept
        if kept.get("authority") is not self._authority or len(kept) > MAX_KEPT_CERTIFICATES:
            kept.clear()
            kept["authority"] = self._authority
        certificate = kept.get(der)
        if not isinstance(certificate, ClientCertificate):
            if visit.cert_sha256 is None:
                visit.cert_sha256 = hashlib.sha256(der).digest()
                self._check_rate(visit)
            certificate = kept[der] = check_client_certificate(der, authority=self._authority, now=now)
        elif visit.cert_sha256 is None:
            visit.cert_sha256 = certificate.sha256
            self._check_rate(visit)
        return certificate

    async def _token(self, wire: str, visit: Visit, now: int) -> AccessToken:
        known = self._known.find(wire)
        if known is None:
            return await self._new_token(wire, visit, now)
        visit.token_kid = known.token.kid
        if await self._jwks.key(known.token.kid) is not known.key:  # published anew
            return await self._new_token(wire, visit, now)
        try:
            require_current_token(known.token, policy=self._tokens, now=now)
        except TrustRefused:
            visit.token_jti_sha256 = _sha256(known.token.jti)
            raise
        return known.token

    async def _new_token(self, wire: str, visit: Visit, now: int) -> AccessToken:
        jws = read_access_token(wire)
        visit.token_kid = jws.kid
        key = await self._jwks.key(jws.kid)
        try:
            token = check_access_token(jws, key=key, policy=self._tokens, now=now)
        except TrustRefused as refused:
            jti = jws.claims.get("jti")
            if refused.reason not in _UNSIGNED and isinstance(jti, str):  # the issuer's own words
                visit.token_jti_sha256 = _sha256(jti)
            raise
        self._known.keep(token, key)
        return token

    @contextmanager
    def _refusals(self, now: int) -> Iterator[None]:
        """Turn what the library refuses into an answer."""
        try:
            yield
        except TrustRefused as error:
            refused = error
        else:
            return
        nonce = None
        if refused.reason is Reason.DPOP_NONCE_REQUIRED and self._nonces is not None:
            nonce = self._nonces.current(now)
        raise Refusal(refused.reason_code, detail=refused.detail, nonce=nonce)


def _keep(visit: Visit, token: AccessToken, sender: SenderProof) -> None:
    """Write what was proved into the visit."""
    bound, dpop = token.confirmation, sender.dpop
    thumbprints = {"jkt": bound.jkt, "x5t#S256": bound.certificate_sha256}
    visit.token = token
    visit.token_iss, visit.token_aud, visit.token_jti_sha256 = token.issuer, token.audience, _sha256(token.jti)
    visit.cnf = json.dumps(
        {name: base64url.encode(value) for name, value in thumbprints.items() if value is not None},
        separators=(",", ":"),
    )
    visit.pop_mode = sender.pop_mode.value
    visit.proof = Proof(
        token_expires_at=token.expires_at,
        dpop_jkt=None if dpop is None else dpop.jkt,
        dpop_jti_sha256=None if dpop is None else _sha256(dpop.jti),
        dpop_issued_at=None if dpop is None else dpop.issued_at,
    )


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

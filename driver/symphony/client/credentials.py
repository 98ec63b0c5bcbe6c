"""Everything one sender proves itself with, and the headers of one request made of it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from symphony.client import directory
from symphony.client.proofs import DpopKey, RequestSigner, content_digest
from symphony.client.tokens import IssuerTokens, TokenSource
from symphony.operator_error import OperatorError
from symphony.trust.origin import Origin, normalised
from symphony.trust.refusal import TrustRefused


def _now() -> int:
    return int(time.time())


class Credentials:
    """One sender towards one ingress. Not for several threads; close it at the end.

    Args:
        origin: scheme and authority under which the ingress knows itself; proofs and signatures are made for it.
        tokens: where access tokens come from.
        dpop_key: the key the tokens are bound to; None sends them as Bearer, bound to the certificate alone.
        signer: signs every request; None sends none signed.
        context: TLS with the client certificate, believing the ingress's authority.
        clock: epoch seconds.

    Raises: OperatorError (ORIGIN_INVALID).
    """

    def __init__(
        self,
        *,
        origin: str,
        tokens: TokenSource,
        dpop_key: DpopKey | None,
        signer: RequestSigner | None,
        context: ssl.SSLContext,
        clock: Callable[[], int] = _now,
    ) -> None:
        self._origin = _origin(origin)
        self._tokens = tokens
        self._dpop_key = dpop_key
        self._signer = signer
        self._context = context
        self._clock = clock
        self._nonce: str | None = None

    @classmethod
    def read(cls, path: Path, *, origin: str, server_ca: Path | None = None, clock: Callable[[], int] = _now) -> Self:
        """Read a directory of PEM files; what it holds stands in symphony.client.directory.

        Args:
            server_ca: whom to believe about the ingress, instead of the directory's server-ca.pem.

        Raises:
            OperatorError: ORIGIN_INVALID, and those of symphony.client.directory.read.
        """
        found = directory.read(path, server_ca=server_ca)
        dpop_key = None if found.dpop_key is None else DpopKey(found.dpop_key)
        tokens = IssuerTokens(
            url=found.token_url, scopes=found.scopes, dpop_key=dpop_key, context=found.issuer_context, clock=clock
        )
        return cls(
            origin=origin,
            tokens=tokens,
            dpop_key=dpop_key,
            signer=RequestSigner(keyid=found.signature_key_id, material=found.signature_key),
            context=found.server_context,
            clock=clock,
        )

    def ssl_context(self) -> ssl.SSLContext:
        """TLS 1.3 with the client certificate, for connections to the ingress."""
        return self._context

    async def headers(
        self, method: str, target: str, body: bytes = b"", idempotency_key: str | None = None
    ) -> dict[str, str]:
        """Return the headers that prove one request; another try needs headers of its own.

        Args:
            target: the request target in origin-form, as it is sent.
            body: the content as it is sent.

        Raises:
            TokenUnavailable: the issuer gave no token.
        """
        token = await self._tokens.token()
        now = self._clock()
        components = [("@method", method), ("@target-uri", self._origin + target)]
        headers: dict[str, str] = {}

        def add(name: str, value: str) -> None:
            headers[name] = value
            components.append((name.lower(), value))

        add("Authorization", token.authorization)
        if body:
            add("Content-Digest", content_digest(body))
        if self._dpop_key is not None:
            htu = self._origin + target.partition("?")[0]
            add("DPoP", self._dpop_key.proof(method=method, htu=htu, now=now, ath=token.ath, nonce=self._nonce))
        if idempotency_key is not None:
            add("Idempotency-Key", idempotency_key)
        if self._signer is not None:
            headers |= self._signer.fields(components, now=now)
        return headers

    def heard(self, answer_headers: Mapping[str, str]) -> bool:
        """Keep the nonce that an answer asks proofs to carry (RFC 9449 8.2); tell whether it is a new one."""
        nonce = answer_headers.get("DPoP-Nonce")
        if nonce is None or nonce == self._nonce:
            return False
        self._nonce = nonce
        return True

    async def close(self) -> None:
        """Close the connections to the issuer."""
        await self._tokens.close()


def _origin(text: str) -> str:
    """Normal form of what a person writes: https://PAY.example/ is https://pay.example."""
    found = normalised(text)
    try:
        return Origin((found or "").removesuffix("/")).text
    except TrustRefused:
        raise OperatorError(
            "ORIGIN_INVALID",
            thing=text,
            reason="it is not scheme and host, with a port where it is not the usual one",
            next_action="give the address under which the ingress is known, like https://pay.example",
        ) from None

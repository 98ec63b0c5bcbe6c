"""Fetching a revocation list and asking a responder over HTTP: bounded in time and size, nowhere else than asked."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from symphony.operator_error import OperatorError
from symphony.revocation.refusal import RevocationUnavailable

MAX_LIST_BYTES: Final = 16 * 1_024 * 1_024
MAX_ANSWER_BYTES: Final = 64 * 1_024
_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationSource:
    """Where the issuing CA says what it revoked. Both documents are signed: plain http is enough (RFC 5280 4.2.1.13).

    Attributes:
        authority: the issuing CA's certificate.
        ocsp_url: None when the CA has no responder.
        ca_file: whom to trust for https; None is the system's store.

    Raises:
        OperatorError: REVOCATION_URL_INVALID.
    """

    authority: x509.Certificate
    crl_url: str
    ocsp_url: str | None
    ca_file: str | None = None

    def __post_init__(self) -> None:
        for name, url in (("--crl-url", self.crl_url), ("--ocsp-url", self.ocsp_url)):
            if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
                raise OperatorError(
                    "REVOCATION_URL_INVALID", thing=name, reason="it is no http(s) URL", next_action="correct it"
                )

    def client(self) -> aiohttp.ClientSession:
        """A client for both; the caller closes it."""
        context = ssl.create_default_context(cafile=self.ca_file)
        return aiohttp.ClientSession(
            timeout=_TIMEOUT, connector=aiohttp.TCPConnector(ssl=context, limit=32), auto_decompress=False
        )

    async def fetch_list(self, client: aiohttp.ClientSession) -> bytes:
        """The list's bytes, unverified. Raises RevocationUnavailable."""
        return await _exchange(client, self.crl_url, None, "application/pkix-crl", MAX_LIST_BYTES)

    async def ask(self, client: aiohttp.ClientSession, request: bytes) -> bytes:
        """The responder's answer, unverified. Raises RevocationUnavailable."""
        return await _exchange(client, self.ocsp_url or "", request, "application/ocsp-response", MAX_ANSWER_BYTES)


async def _exchange(client: aiohttp.ClientSession, url: str, body: bytes | None, accept: str, max_bytes: int) -> bytes:
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Type"] = "application/ocsp-request"
    try:
        method = "GET" if body is None else "POST"
        async with client.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise RevocationUnavailable(f"{urlsplit(url).path} answered with status {answer.status}")
            document = bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                document += chunk
                if len(document) > max_bytes:
                    raise RevocationUnavailable(f"{urlsplit(url).path} answered with more than {max_bytes} bytes")
            return bytes(document)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RevocationUnavailable(f"{urlsplit(url).path} gave no answer: {type(error).__name__}") from None

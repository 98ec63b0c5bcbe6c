"""What the ingress demands of a request before it reads the body, and how it reads the body."""

from __future__ import annotations

import asyncio
import re

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest, RequestPayloadError

from symphony.ingress.problems import Refusal

# Two of these, or one comma-joined, let two readers see two different requests (smuggling, confused deputy).
SINGLETONS = frozenset(
    b"authorization client-cert content-digest content-encoding content-length content-type dpop expect host"
    b" idempotency-key signature signature-input symphony-participant transfer-encoding".split()
)
_TARGET = re.compile(r"/(?!/)[A-Za-z0-9._~:@!$&'()*+,;=/%-]*").fullmatch
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE).search
_JSON_MEDIA = re.compile(r'application/json(?:[ \t]*;[ \t]*charset=(?:"utf-8"|utf-8))?', re.IGNORECASE).fullmatch


def check_head(request: BaseRequest) -> None:
    """Check HTTP version, request target and header fields.

    Refuses everything but HTTP/1.1 (HTTP/1.0 with chunked framing is read differently by different servers),
    absolute-form targets, dot segments and queries, names with an underscore (a proxy's Client-Cert and a
    client's Client_Cert are one to a CGI-minded reader), and repeated singletons. RFC 9110, 9112.

    Raises: Refusal (FRAMING_INVALID, HEADER_INVALID); the connection closes.
    """
    if request.version != HttpVersion11:
        raise Refusal("FRAMING_INVALID", detail="only HTTP/1.1 is served", close=True)
    target = request.raw_path
    if not _TARGET(target) or (("." in target or "%" in target) and _DOT_SEGMENT(target)):
        raise Refusal(
            "FRAMING_INVALID",
            detail="the request target must be a plain absolute path, without query and dot segments",
            close=True,
        )
    seen: set[bytes] = set()
    for raw_name, _ in request.raw_headers:
        if b"_" in raw_name:
            raise Refusal("HEADER_INVALID", detail="a header name contains an underscore", close=True)
        name = raw_name.lower()
        if name in SINGLETONS:
            if name in seen:
                raise Refusal("HEADER_INVALID", detail=f"{name.decode()} is given more than once", close=True)
            seen.add(name)
    if b"transfer-encoding" in seen and request.headers["Transfer-Encoding"].strip().lower() != "chunked":
        raise Refusal("FRAMING_INVALID", detail="only the transfer coding chunked is served", close=True)


def check_media(request: BaseRequest) -> None:
    """Check that the body claims to be plain JSON in UTF-8; raises Refusal."""
    headers = request.headers
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refusal("CONTENT_CODING_UNSUPPORTED", close=True)
    media = headers.get("Content-Type", "").strip()
    if media != "application/json" and not _JSON_MEDIA(media):
        raise Refusal("MEDIA_TYPE_UNSUPPORTED")


async def read_body(request: BaseRequest, *, max_bytes: int, timeout_s: float) -> bytes:
    """Read the whole body as received.

    Raises: Refusal (BODY_TOO_LARGE before reading when Content-Length says so, BODY_TIMEOUT,
        EXPECTATION_UNSUPPORTED, FRAMING_INVALID for a broken or cut-off body).
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise Refusal("BODY_TOO_LARGE", detail=f"the body has {length} bytes of {max_bytes}", close=True)
    if "Expect" in request.headers:
        await _expect(request)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > max_bytes:
                    raise Refusal("BODY_TOO_LARGE", detail=f"the body has more than {max_bytes} bytes", close=True)
                chunks.append(chunk)
    except TimeoutError as error:
        detail = f"{size} bytes arrived within {timeout_s:g} s, and no end"
        raise Refusal("BODY_TIMEOUT", detail=detail, close=True) from error
    except (RequestPayloadError, ConnectionError) as error:
        raise Refusal("FRAMING_INVALID", detail="the body ends early or is malformed", close=True) from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _expect(request: BaseRequest) -> None:
    """Say 100 Continue, which the server below does not say by itself (RFC 9110 section 10.1.1)."""
    if request.headers["Expect"].strip().lower() != "100-continue":
        raise Refusal("EXPECTATION_UNSUPPORTED", close=True)
    if not request.content.is_eof() and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

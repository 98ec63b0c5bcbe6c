"""Content-Digest (RFC 9530 section 2) over the bytes as they were received, before anything reads them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.structured_fields import Item, parse_dictionary

ALGORITHMS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
WEAK: Final = frozenset({"md5", "sha", "unixsum", "unixcksum", "adler", "crc32c"})
"""Registered as deprecated (RFC 9530 section 7.2): refused even beside a strong one."""


def check_content_digest(values: Sequence[str], body: bytes) -> None:
    """Check every sha-256 and sha-512 given against the body; at least one must be given when there is a body.

    Args:
        values: the request's Content-Digest fields, of which there may be one.
        body: the content as received, of which no coding was removed.

    Raises:
        TrustRefused: DIGEST_MISSING, DIGEST_MALFORMED, DIGEST_ALGORITHM_REFUSED, DIGEST_MISMATCH, in this order.
    """
    if not values:
        if body:
            raise TrustRefused(Reason.DIGEST_MISSING, "a body and no Content-Digest")
        return
    if len(values) > 1:
        raise TrustRefused(Reason.DIGEST_MALFORMED, "more than one Content-Digest field")
    given = parse_dictionary(values, refused_as=Reason.DIGEST_MALFORMED, unique=True)
    digests: dict[str, bytes] = {}
    for name, member in given.items():
        if not isinstance(member, Item) or not isinstance(member.value, bytes) or member.parameters:
            raise TrustRefused(Reason.DIGEST_MALFORMED, "a member is not one plain Byte Sequence")
        digests[name] = member.value
    if not WEAK.isdisjoint(digests):
        raise TrustRefused(Reason.DIGEST_ALGORITHM_REFUSED, "a weak algorithm is given")
    if ALGORITHMS.keys().isdisjoint(digests):
        raise TrustRefused(Reason.DIGEST_ALGORITHM_REFUSED, "neither sha-256 nor sha-512 is given")
    for name, function in ALGORITHMS.items():
        if name in digests and not hmac.compare_digest(digests[name], function(body).digest()):
            raise TrustRefused(Reason.DIGEST_MISMATCH, f"{name} is not the body's")

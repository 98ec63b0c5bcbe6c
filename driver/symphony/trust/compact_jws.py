"""A strict reader of compact JWS (RFC 7515 7.1, RFC 8725): everything JWT libraries let through is refused here first.

Order of checks: size, three segments, canonical base64url, strict JSON of the header, its members, typ, alg, kid,
strict JSON of the payload. The signature is not checked: `symphony.trust.keys` does that.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from symphony.strict_json import InvalidInput, read_json
from symphony.trust import base64url
from symphony.trust.refusal import Reason, TrustRefused

MAX_BYTES: Final = 8_192
"""Longest token or proof; a longer one is not looked at."""

ALGORITHMS: Final = frozenset({"PS256", "ES256", "EdDSA"})
"""Asymmetric only (FAPI 2.0 SP 5.4); HMAC lives in another module and never sees a token."""

_KID: Final = re.compile(r"[A-Za-z0-9._~:@=+-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of JWS and the reasons it is refused with.

    Attributes:
        typ: the media type without "application/", lower case.
        members: header members that may be there.
        required: header members that must be there.
    """

    typ: str
    members: frozenset[str]
    required: tuple[str, ...]
    too_large: Reason
    malformed: Reason
    json_invalid: Reason
    header_refused: Reason
    type_refused: Reason
    algorithm_refused: Reason


ACCESS_TOKEN: Final = Kind(
    typ="at+jwt",
    members=frozenset({"alg", "kid", "typ"}),
    required=("alg", "kid"),
    too_large=Reason.TOKEN_TOO_LARGE,
    malformed=Reason.TOKEN_MALFORMED,
    json_invalid=Reason.TOKEN_JSON_INVALID,
    header_refused=Reason.TOKEN_HEADER_REFUSED,
    type_refused=Reason.TOKEN_TYPE_REFUSED,
    algorithm_refused=Reason.TOKEN_ALGORITHM_REFUSED,
)
DPOP_PROOF: Final = Kind(
    typ="dpop+jwt",
    members=frozenset({"alg", "jwk", "kid", "typ"}),
    required=("alg", "jwk"),
    too_large=Reason.DPOP_TOO_LARGE,
    malformed=Reason.DPOP_MALFORMED,
    json_invalid=Reason.DPOP_JSON_INVALID,
    header_refused=Reason.DPOP_HEADER_REFUSED,
    type_refused=Reason.DPOP_TYPE_REFUSED,
    algorithm_refused=Reason.DPOP_ALGORITHM_REFUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactJws:
    """A well-formed JWS whose signature nobody has checked yet.

    Attributes:
        kid: an opaque name to look a key up by, never a path or an address; None only where it is optional.
        jwk: the header's key as given, unchecked.
        claims: the payload, a JSON object.
    """

    alg: str
    kid: str | None
    jwk: object = field(repr=False)
    claims: dict[str, object] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def wire_sha256(self) -> bytes:
        """SHA-256 over the text as received, which has only this one spelling."""
        return hashlib.sha256(self.signing_input + b"." + base64url.encode(self.signature).encode("ascii")).digest()


def read_compact(text: str, *, kind: Kind) -> CompactJws:
    """Return the parts of one compact JWS of this kind; raises TrustRefused with the kind's reasons."""
    if len(text) > MAX_BYTES:
        raise TrustRefused(kind.too_large, f"longer than {MAX_BYTES} bytes")
    segments = text.split(".", 3)
    if len(segments) != 3:
        raise TrustRefused(kind.malformed, "there are not three segments")
    header_raw, payload_raw, signature = (base64url.decode(segment) for segment in segments)
    if not header_raw or not payload_raw or not signature:
        raise TrustRefused(kind.malformed, "a segment is empty or not canonical base64url without padding")
    header = _json_object(header_raw, kind, "header")
    _check_header(header, kind)
    alg, kid = header["alg"], header.get("kid")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise TrustRefused(kind.algorithm_refused, "alg is not PS256, ES256 or EdDSA")
    if kid is not None and not (isinstance(kid, str) and _KID(kid)):
        raise TrustRefused(kind.header_refused, "kid is not 1 to 128 of the allowed characters")
    return CompactJws(
        alg=alg,
        kid=kid,
        jwk=header.get("jwk"),
        claims=_json_object(payload_raw, kind, "payload"),
        signing_input=f"{segments[0]}.{segments[1]}".encode("ascii"),
        signature=signature,
    )


def is_kid(value: object) -> bool:
    """Tell whether a value may be a key's id."""
    return isinstance(value, str) and _KID(value) is not None


def _json_object(raw: bytes, kind: Kind, name: str) -> dict[str, object]:
    try:
        value = read_json(raw)
    except InvalidInput as refused:  # not chained: a member's name may stand in it
        reason = refused.reason_code
    else:
        if isinstance(value, dict):
            return value
        reason = "no object"
    raise TrustRefused(kind.json_invalid, f"the {name} is not a strict JSON object: {reason}")


def _check_header(header: dict[str, object], kind: Kind) -> None:
    if not header.keys() <= kind.members:
        raise TrustRefused(kind.header_refused, f"members other than {', '.join(sorted(kind.members))} are refused")
    typ = header.get("typ")
    if not isinstance(typ, str) or not typ.isascii() or typ.lower().removeprefix("application/") != kind.typ:
        raise TrustRefused(kind.type_refused, f"typ must be {kind.typ}")
    for name in kind.required:
        if header.get(name) is None:
            reason = kind.algorithm_refused if name == "alg" else kind.header_refused
            raise TrustRefused(reason, f"{name} is missing")
    if "kid" in header and header["kid"] is None:
        raise TrustRefused(kind.header_refused, "kid is null")

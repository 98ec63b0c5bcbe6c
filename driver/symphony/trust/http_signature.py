"""Signed requests (RFC 9421) with the component list of the draft FAPI 2.0 Http Signatures, over a checked body.

Order of checks: Content-Digest, form of the two fields, the one signature with our tag, its parameters, its window, its
key and alg, coverage, components, the signature itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from symphony.trust.content_digest import check_content_digest
from symphony.trust.field_text import member_text
from symphony.trust.origin import Origin
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.signature_keys import SignatureKey
from symphony.trust.structured_fields import BareItem, InnerList, Item, parse_dictionary

REQUIRED: Final = ("@method", "@target-uri", "authorization")
REQUIRED_IF_PRESENT: Final = ("content-digest", "dpop")
"""A body always has a Content-Digest: that is checked first."""

MAX_SIGNATURES: Final = 4
_PARAMETERS: Final = {"created": int, "expires": int, "nonce": str, "alg": str, "keyid": str, "tag": str}
_MAX_TEXT: Final = 128
_LINE: Final = re.compile(r"[\t -~]*").fullmatch  # a value that could begin a line of its own is none


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePolicy:
    """What a signature must say and cover; raises TrustRefused (TRUST_CONFIGURATION_REFUSED) for a wide window.

    Attributes:
        also: fields that must be covered when the request has them, besides REQUIRED_IF_PRESENT.
        max_age_s, max_ahead_s: how far `created` may lie behind and ahead.
    """

    tag: str = "fapi-2-request"
    also: tuple[str, ...] = ()
    max_age_s: int = 60
    max_ahead_s: int = 30

    def __post_init__(self) -> None:
        if not (self.tag and 0 < self.max_age_s <= 300 and 0 <= self.max_ahead_s <= 60):
            raise TrustRefused(Reason.TRUST_CONFIGURATION_REFUSED, "no tag, or a window wider than it may be")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it was received, seen from outside.

    Attributes:
        origin: our configured external origin, never the Host field.
        target: the request target in origin-form.
        fields: names (any case) and values, in the order received, nothing combined.
    """

    method: str
    origin: Origin
    target: str
    fields: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    def values(self, name: str) -> list[str]:
        """Return the values of every field of this lower-case name."""
        return [value for given, value in self.fields if given.lower() == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSignature:
    """A signature that holds; key id and algorithm go into the attestation.

    Attributes:
        nonce: as signed; the replay store's when the policy wants single use.
    """

    keyid: str
    alg: str
    created: int
    nonce: str | None


def check_signed_request(
    request: SignedRequest,
    *,
    keys: Mapping[str, SignatureKey],
    client_id: str,
    policy: SignaturePolicy,
    now: int,
) -> VerifiedSignature:
    """Check body and signature of a request at `now` (epoch seconds).

    Args:
        keys: registered keys by keyid.
        client_id: the client that token and certificate proved; only its keys count.

    Raises:
        TrustRefused: DIGEST_*, SIGNATURE_*; the first failing check in the order of this module's description.
    """
    check_content_digest(request.values("content-digest"), request.body)
    covered, signature = _our_signature(request, policy)
    parameters = _parameters(covered.parameters)
    created, expires, keyid = parameters["created"], parameters.get("expires"), str(parameters["keyid"])
    if not isinstance(created, int) or not now - policy.max_age_s <= created <= now + policy.max_ahead_s:
        raise TrustRefused(
            Reason.SIGNATURE_OUTSIDE_WINDOW, f"created is not -{policy.max_age_s} to +{policy.max_ahead_s} s"
        )
    if isinstance(expires, int) and (expires <= created or expires < now):
        raise TrustRefused(Reason.SIGNATURE_OUTSIDE_WINDOW, "expires is past, or not after created")
    key = keys.get(keyid)
    if key is None or key.client_id != client_id or not key.is_active(now):
        raise TrustRefused(Reason.SIGNATURE_KEY_UNKNOWN, "the client has no active key of this id")
    if parameters.get("alg", key.alg) != key.alg:
        raise TrustRefused(Reason.SIGNATURE_ALGORITHM_REFUSED, "alg is not the key's algorithm")
    names = {item.value for item in covered.items}
    present = [name for name in (*REQUIRED_IF_PRESENT, *policy.also) if request.values(name)]
    if not names.issuperset((*REQUIRED, *present)):
        raise TrustRefused(Reason.SIGNATURE_COVERAGE_INSUFFICIENT, "a required component is not covered")
    if not key.verifies(signature_base(request, covered), signature):
        raise TrustRefused(Reason.SIGNATURE_INVALID, "the signature does not hold under the key")
    nonce = parameters.get("nonce")
    return VerifiedSignature(keyid=keyid, alg=key.alg, created=created, nonce=nonce if isinstance(nonce, str) else None)


def signature_base(request: SignedRequest, covered: InnerList) -> bytes:
    """Return the signature base (RFC 9421 2.5) of these covered components and parameters.

    Raises:
        TrustRefused: SIGNATURE_COMPONENT_REFUSED for a component that is repeated, has parameters, is not supported, or
            names a field that the request has not.
    """
    lines: dict[str, str] = {}
    for item in covered.items:
        name = item.value
        if not isinstance(name, str) or item.parameters or name in lines:
            raise TrustRefused(Reason.SIGNATURE_COMPONENT_REFUSED, "a component is repeated or has parameters")
        value = _derived(request, name) if name.startswith("@") else _field(request, name)
        if value is None or not _LINE(value):
            raise TrustRefused(Reason.SIGNATURE_COMPONENT_REFUSED, "a component is not in the request or unsupported")
        lines[name] = f'"{name}": {value}\n'
    return ("".join(lines.values()) + f'"@signature-params": {member_text(covered)}').encode("ascii")


def _our_signature(request: SignedRequest, policy: SignaturePolicy) -> tuple[InnerList, bytes]:
    """Select by tag: a label is not signed and means nothing."""
    inputs, signatures = request.values("signature-input"), request.values("signature")
    if not inputs and not signatures:
        raise TrustRefused(Reason.SIGNATURE_MISSING, "neither Signature-Input nor Signature")
    if len(inputs) != 1 or len(signatures) != 1:
        raise TrustRefused(Reason.SIGNATURE_MALFORMED, "not exactly one Signature-Input and one Signature field")
    described = parse_dictionary(inputs, refused_as=Reason.SIGNATURE_MALFORMED, unique=True)
    given = parse_dictionary(signatures, refused_as=Reason.SIGNATURE_MALFORMED, unique=True)
    if described.keys() != given.keys():
        raise TrustRefused(Reason.SIGNATURE_MALFORMED, "the labels of the two fields differ")
    if len(given) > MAX_SIGNATURES:
        raise TrustRefused(Reason.SIGNATURE_AMBIGUOUS, f"more than {MAX_SIGNATURES} signatures")
    ours = [label for label, member in described.items() if member.parameters.get("tag") == policy.tag]
    if len(ours) != 1:
        reason = Reason.SIGNATURE_AMBIGUOUS if ours else Reason.SIGNATURE_MISSING
        raise TrustRefused(reason, f"{len(ours)} signatures have our tag")
    covered, signature = described[ours[0]], given[ours[0]]
    if not isinstance(covered, InnerList) or not isinstance(signature, Item) or not isinstance(signature.value, bytes):
        raise TrustRefused(Reason.SIGNATURE_MALFORMED, "not a list of components and a Byte Sequence")
    return covered, signature.value


def _parameters(parameters: Mapping[str, BareItem]) -> Mapping[str, BareItem]:
    for name, value in parameters.items():
        if type(value) is not _PARAMETERS.get(name) or (isinstance(value, str) and not 0 < len(value) <= _MAX_TEXT):
            raise TrustRefused(Reason.SIGNATURE_PARAMETER_REFUSED, "a parameter is unknown or has a wrong form")
    for name in ("created", "keyid"):
        if name not in parameters:
            raise TrustRefused(Reason.SIGNATURE_PARAMETER_REFUSED, f"{name} is missing")
    return parameters


def _derived(request: SignedRequest, name: str) -> str | None:
    """RFC 9421 2.2, from the configured origin and the request line."""
    path, _, query = request.target.partition("?")
    if not path.startswith("/"):
        return None
    match name:
        case "@method":
            return request.method
        case "@target-uri":
            return request.origin.text + request.target
        case "@authority":
            return request.origin.authority
        case "@scheme":
            return request.origin.scheme
        case "@request-target":
            return request.target
        case "@path":
            return path
        case "@query":
            return f"?{query}"
    return None


def _field(request: SignedRequest, name: str) -> str | None:
    """RFC 9421 2.1: the values without white space around them, in their order."""
    values = request.values(name)
    return ", ".join(value.strip(" \t") for value in values) if values else None

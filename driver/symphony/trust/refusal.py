"""Why trust is refused: every reason, its HTTP status (RFC 9110), what it means, what to do next."""

from __future__ import annotations

from enum import Enum, unique

from symphony.errors import SymphonyError


@unique
class Reason(Enum):
    """The reasons; a member's name is the reason code. Values: HTTP status, meaning, next action."""

    # The client certificate (RFC 5280, 8705, 9440).
    CERT_MISSING = 401, "no client certificate was presented", "present the registered client certificate"
    CERT_HEADER_INVALID = (
        400,
        "the Client-Cert field is not exactly one certificate as a Byte Sequence",
        "fix the proxy (RFC 9440)",
    )
    CERT_MALFORMED = 401, "the client certificate is not one X.509 version 3 certificate in DER", "use another one"
    CERT_NOT_YET_VALID = 401, "the client certificate is not valid yet", "wait, or check the clock"
    CERT_EXPIRED = 401, "the client certificate has expired", "renew it"
    CERT_USAGE_REFUSED = (
        401,
        "the client certificate does not name clientAuth as extended key usage, or its key may not sign",
        "ask for a certificate with EKU clientAuth",
    )
    CERT_IDENTITY_MISSING = (
        401,
        "the client certificate has no subject alternative name",
        "ask for a certificate with a SAN",
    )
    CERT_CHAIN_REFUSED = 401, "the client certificate is not issued by our issuing CA", "ask for one that is"

    # The Authorization and DPoP fields.
    AUTHORIZATION_MISSING = 401, "the request has no Authorization field", "send the access token"
    AUTHORIZATION_INVALID = (
        401,
        "the Authorization field is not one scheme, Bearer or DPoP, and one token",
        "send one token in one field",
    )

    # The access token: form, key, claims (RFC 7515, 8725, 9068).
    TOKEN_TOO_LARGE = 401, "the access token is larger than 8 kB", "ask the issuer for a smaller one"
    TOKEN_MALFORMED = 401, "the access token is no canonical compact JWS", "send it as it was issued"
    TOKEN_JSON_INVALID = 401, "the access token's header or payload is not strict JSON", "report it to the issuer"
    TOKEN_HEADER_REFUSED = (
        401,
        "the access token's header has other members than alg, kid, typ, or no proper kid",
        "fix the issuer",
    )
    TOKEN_TYPE_REFUSED = 401, "the JWT's typ is not at+jwt", "send an access token (RFC 9068)"
    TOKEN_ALGORITHM_REFUSED = (
        401,
        "the access token's alg is not allowed, or is not its key's",
        "sign with PS256, ES256 or EdDSA",
    )
    TOKEN_KEY_UNKNOWN = 401, "the access token's kid names no current key of the issuer", "get a new token"
    TOKEN_SIGNATURE_INVALID = 401, "the access token's signature does not hold", "get a new token"
    TOKEN_CLAIM_MISSING = 401, "a required claim is missing from the access token", "fix the issuer"
    TOKEN_CLAIM_INVALID = 401, "a claim of the access token has a wrong type or form", "fix the issuer"
    TOKEN_ISSUER_REFUSED = 401, "the access token is from another issuer", "use a token of the configured issuer"
    TOKEN_AUDIENCE_REFUSED = 401, "the access token is not for this service alone", "ask for a token for it alone"
    TOKEN_LIFETIME_REFUSED = (
        401,
        "the access token's times contradict each other or it lives too long",
        "ask for a short-lived token",
    )
    TOKEN_EXPIRED = 401, "the access token has expired", "get a new token"
    TOKEN_NOT_YET_VALID = 401, "the access token begins in the future", "check the clock, then retry"
    TOKEN_SCOPE_INSUFFICIENT = 403, "the access token's scope does not allow this", "ask for the scope"

    # What binds the token to its sender (RFC 7800, 8705, 9449).
    TOKEN_NOT_BOUND = (
        401,
        "the access token is not bound to a certificate or a DPoP key in a way we can check",
        "ask for a bound token",
    )
    TOKEN_CERT_MISMATCH = (
        401,
        "the access token is bound to another client certificate",
        "use the certificate the token was issued to",
    )
    TOKEN_DOWNGRADED = (
        401,
        "a DPoP-bound access token was sent without its proof",
        "send it with scheme DPoP and a proof",
    )
    DPOP_NOT_BOUND = 401, "a DPoP scheme or proof came with a token that has no cnf.jkt", "use scheme Bearer over mTLS"
    DPOP_KEY_MISMATCH = 401, "the DPoP proof is by another key than the token's", "sign with the token's key"

    # The DPoP proof itself.
    DPOP_HEADER_INVALID = 401, "there is not exactly one DPoP field", "send one proof"
    DPOP_TOO_LARGE = 401, "the DPoP proof is larger than 8 kB", "send a smaller one"
    DPOP_MALFORMED = 401, "the DPoP proof is no canonical compact JWS", "fix the client"
    DPOP_JSON_INVALID = 401, "the DPoP proof's header or payload is not strict JSON", "fix the client"
    DPOP_HEADER_REFUSED = (
        401,
        "the DPoP proof's header has other members than alg, jwk, kid, typ, or no jwk",
        "fix the client",
    )
    DPOP_TYPE_REFUSED = 401, "the DPoP proof's typ is not dpop+jwt", "fix the client"
    DPOP_ALGORITHM_REFUSED = (
        401,
        "the DPoP proof's alg is not allowed, or is not its key's",
        "sign the proof with PS256, ES256 or EdDSA",
    )
    DPOP_KEY_REFUSED = 401, "the DPoP proof's jwk is no public key that we accept", "use RSA 2048+, P-256 or Ed25519"
    DPOP_SIGNATURE_INVALID = 401, "the DPoP proof's signature does not hold", "fix the client"
    DPOP_CLAIM_INVALID = 401, "a claim of the DPoP proof is missing or has a wrong type or form", "fix the client"
    DPOP_METHOD_MISMATCH = 401, "the DPoP proof's htm is not the request's method", "make one proof per request"
    DPOP_TARGET_MISMATCH = 401, "the DPoP proof's htu is not the request's target", "use our external address"
    DPOP_OUTSIDE_WINDOW = 401, "the DPoP proof is too old or from the future", "check the clock, then retry"
    DPOP_TOKEN_MISMATCH = 401, "the DPoP proof's ath is of another access token", "hash the token you send"
    DPOP_NONCE_REQUIRED = 401, "the DPoP proof has no current nonce of ours", "retry with the DPoP-Nonce given"

    # The signed body (RFC 9421, 9530).
    DIGEST_MISSING = 400, "a body came without Content-Digest", "send Content-Digest (RFC 9530)"
    DIGEST_MALFORMED = 400, "Content-Digest is not one field of Byte Sequences", "fix the client"
    DIGEST_ALGORITHM_REFUSED = (
        400,
        "Content-Digest names a weak algorithm, or none that we accept",
        "use sha-256 or sha-512",
    )
    DIGEST_MISMATCH = 400, "Content-Digest is not the digest of the received bytes", "hash the bytes you send"
    SIGNATURE_MISSING = 401, "no signature with our tag", "sign the request (RFC 9421)"
    SIGNATURE_MALFORMED = 400, "Signature-Input and Signature are not one well-formed field each", "fix the client"
    SIGNATURE_AMBIGUOUS = 401, "more than one signature with our tag, or too many signatures", "send one"
    SIGNATURE_PARAMETER_REFUSED = (
        401,
        "a signature parameter is missing, unknown or of a wrong form",
        "send created, keyid, tag",
    )
    SIGNATURE_COMPONENT_REFUSED = (
        401,
        "a covered component is not supported, repeated or not in the request",
        "cover what the documentation lists",
    )
    SIGNATURE_COVERAGE_INSUFFICIENT = 401, "the signature does not cover a required component", "cover it"
    SIGNATURE_OUTSIDE_WINDOW = (
        401,
        "the signature is too old, from the future or expired",
        "check the clock, then sign again",
    )
    SIGNATURE_KEY_UNKNOWN = 401, "keyid names no active key of this client", "register the key"
    SIGNATURE_ALGORITHM_REFUSED = 401, "the signature's alg is not its key's", "leave alg out, or name the key's"
    SIGNATURE_INVALID = 401, "the request's signature does not hold", "sign the request you send"

    # Keys and configuration: nothing the client can mend.
    KEY_REFUSED = 503, "a configured key is not one that may be trusted", "configure another key"
    TRUST_CONFIGURATION_REFUSED = 503, "what is configured to be trusted is not allowed", "mend the configuration"
    JWKS_UNAVAILABLE = 503, "the issuer's keys could not be fetched", "retry; operator: look at the issuer"
    JWKS_REFUSED = 503, "the issuer's key set is not acceptable", "operator: look at the issuer"
    JWKS_STALE = 503, "the issuer's keys are older than the limit", "retry later; operator: look at the issuer"

    @property
    def http_status(self) -> int:
        """Status the HTTP ingress answers with."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """What was found, without any value of the request."""
        return self.value[1]

    @property
    def next_action(self) -> str:
        """What whoever meets it does next."""
        return self.value[2]

    @property
    def challenge_error(self) -> str | None:
        """The `error` of WWW-Authenticate (RFC 6750 3.1, RFC 9449 7.1 and 9); None where none applies."""
        if self is Reason.DPOP_NONCE_REQUIRED:
            return "use_dpop_nonce"
        if self is Reason.TOKEN_SCOPE_INSUFFICIENT:
            return "insufficient_scope"
        if self.name.startswith("DPOP_"):
            return "invalid_dpop_proof"
        return "invalid_token" if self.name.startswith("TOKEN_") else None


class TrustRefused(SymphonyError):
    """A proof does not hold, or something configured may not be trusted.

    Attributes:
        reason: a row of the table above.
        detail: which rule, in words; free of secrets, token text and personal data.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.name}: {detail}")
        self.reason = reason
        self.detail = detail

    @property
    def reason_code(self) -> str:
        """The registered code."""
        return self.reason.name

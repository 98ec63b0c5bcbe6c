"""What the zero-trust ingress is told to believe, and how fresh it must be; validated once at start."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from symphony.ingress.settings import InvalidSettings
from symphony.trust.access_token import TokenPolicy
from symphony.trust.dpop import DpopPolicy, NonceSource
from symphony.trust.http_signature import SignaturePolicy
from symphony.trust.jwks import JwksSettings
from symphony.trust.origin import Origin
from symphony.trust.refusal import TrustRefused

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "token_max_lifetime_s": (1, 600),
    "clock_skew_s": (0, 60),
    "dpop_max_age_s": (1, 300),
    "dpop_max_ahead_s": (0, 60),
    "signature_max_age_s": (1, 300),
    "signature_max_ahead_s": (0, 60),
    "jwks_cooldown_s": (1, 3_600),
    "jwks_refresh_after_s": (1, 86_400),
    "jwks_max_stale_s": (1, 86_400),
    "registry_poll_ms": (10, 5_000),
    "registry_reload_ms": (100, 3_600_000),
    "registry_max_age_ms": (100, 60_000),
    "certificate_requests_per_s": (0.1, 1_000_000),
    "certificate_requests_burst": (1, 10_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """The zero-trust ingress's one configuration object; the TLS material is not part of it.

    Raises: InvalidSettings, which names the setting.

    Attributes:
        issuer: whose access tokens are believed, as it stands in `iss`.
        audience: what stands in their `aud`.
        origin: scheme and authority under which clients know this service; htu and @target-uri are compared with it.
        jwks_url: where the issuer's keys are, https.
        jwks_ca_file: whom to believe there, a PEM file; None: the system's authorities.
        token_max_lifetime_s, clock_skew_s, dpop_*, signature_*: the windows of facts 1b to 1d.
        dpop_nonce: demand a nonce of ours in every proof (RFC 9449 9); its secret is OpenBao's.
        registry_poll_ms: how often the registry's version is asked for, besides the notification of each change.
        registry_reload_ms: how often it is read again though its version has not changed.
        registry_max_age_ms: after this long without an answer nobody is believed.
        certificate_requests_per_s, certificate_requests_burst: what one client certificate may ask for.
    """

    issuer: str
    audience: str
    origin: str
    jwks_url: str
    jwks_ca_file: str | None = None
    token_max_lifetime_s: int = 300
    clock_skew_s: int = 30
    dpop_max_age_s: int = 60
    dpop_max_ahead_s: int = 30
    dpop_nonce: bool = False
    signature_max_age_s: int = 60
    signature_max_ahead_s: int = 30
    jwks_cooldown_s: int = 30
    jwks_refresh_after_s: int = 300
    jwks_max_stale_s: int = 3_600
    registry_poll_ms: int = 1_000
    registry_reload_ms: int = 60_000
    registry_max_age_ms: int = 5_000
    certificate_requests_per_s: float = 2_000.0
    certificate_requests_burst: int = 4_000

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise InvalidSettings(f"{name} is {value!r}; give a number from {low:g} to {high:g}")
        if self.registry_max_age_ms <= self.registry_poll_ms:
            raise InvalidSettings(
                f"registry_max_age_ms is {self.registry_max_age_ms}; it must exceed registry_poll_ms"
                f" ({self.registry_poll_ms})"
            )
        if not self.origin.startswith("https://"):
            raise InvalidSettings("origin must be an https address: nobody is believed over http")
        for name, make in (
            ("issuer or audience", self.token_policy),
            ("origin", self.dpop_policy),
            ("a signature window", self.signature_policy),
            ("jwks_url or a JWKS age", self.jwks_settings),
        ):
            try:
                make()
            except TrustRefused as error:
                raise InvalidSettings(f"{name} is refused: {error.detail}") from None

    def token_policy(self) -> TokenPolicy:
        """Which access tokens are believed."""
        return TokenPolicy(
            issuer=self.issuer,
            audience=self.audience,
            max_lifetime_s=self.token_max_lifetime_s,
            skew_s=self.clock_skew_s,
        )

    def dpop_policy(self, nonces: NonceSource | None = None) -> DpopPolicy:
        """Which DPoP proofs are believed."""
        return DpopPolicy(
            origin=Origin(self.origin),
            max_age_s=self.dpop_max_age_s,
            max_ahead_s=self.dpop_max_ahead_s,
            skew_s=self.clock_skew_s,
            nonces=nonces,
        )

    def signature_policy(self) -> SignaturePolicy:
        """Which signatures are believed: the idempotency key is signed with the body it belongs to."""
        return SignaturePolicy(
            also=("idempotency-key",), max_age_s=self.signature_max_age_s, max_ahead_s=self.signature_max_ahead_s
        )

    def jwks_settings(self) -> JwksSettings:
        """Where the issuer's keys come from."""
        return JwksSettings(
            url=self.jwks_url,
            cooldown_s=self.jwks_cooldown_s,
            refresh_after_s=self.jwks_refresh_after_s,
            max_stale_s=self.jwks_max_stale_s,
        )


def configuration_sha256(*settings: Any) -> str:
    """SHA-256 over the settings objects as JSON with sorted names: what the audit trail says of a configuration."""
    text = json.dumps([asdict(one) for one in settings], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

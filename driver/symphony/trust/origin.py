"""Our external origin and what a request target is under it (RFC 3986, RFC 9110 7.1). Never taken from the request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from symphony.trust.refusal import Reason, TrustRefused

_URI: Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE).fullmatch
_LETTERS: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*").fullmatch
_HOST: Final = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?").fullmatch
_PERCENT: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme and authority under which clients know this service, for example https://pay.example.

    Raises TrustRefused (TRUST_CONFIGURATION_REFUSED) unless it is in its normal form.
    """

    text: str

    def __post_init__(self) -> None:
        if normalised(self.text) != self.text + "/":
            raise TrustRefused(
                Reason.TRUST_CONFIGURATION_REFUSED,
                "the external origin is scheme and host in lower case, without default port and path",
            )

    @property
    def scheme(self) -> str:
        """https, or http in development."""
        return self.text.partition("://")[0]

    @property
    def authority(self) -> str:
        """Host, with its port where it is not the scheme's default."""
        return self.text.partition("://")[2]


def normalised(uri: str) -> str | None:
    """Return an http or https address without query and fragment in its normal form (RFC 3986 6.2.2, 6.2.3).

    None for anything else, for user information, and for characters that RFC 3986 does not allow.
    """
    if not uri.isascii() or not _LETTERS(uri):
        return None
    match = _URI(uri)
    host = _HOST(match[2]) if match else None
    if match is None or host is None:
        return None
    scheme = match[1].lower()
    port = "" if not host[2] or host[2] == _DEFAULT_PORTS[scheme] else f":{host[2]}"
    path = _without_dots(_PERCENT.sub(_percent, match[3])) or "/"
    return f"{scheme}://{host[1].lower()}{port}{path}"


def _percent(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4 for a path that begins with a slash or is empty."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
        if last and segment in (".", ".."):
            kept.append("")
    return "".join(f"/{segment}" for segment in kept)

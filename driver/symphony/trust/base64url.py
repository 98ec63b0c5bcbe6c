"""Base64url without padding (RFC 7515 section 2), one spelling for each value."""

from __future__ import annotations

import base64
import binascii


def encode(raw: bytes) -> str:
    """Return the only accepted spelling of these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str | bytes) -> bytes | None:
    """Return the bytes, or None for what `encode` does not write: padding, white space, stray bits, other letters."""
    try:
        written = text.encode("ascii") if isinstance(text, str) else text
        raw = base64.urlsafe_b64decode(written + b"=" * (-len(written) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == written else None

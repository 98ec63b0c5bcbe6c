"""What is kept of an alias' beneficiary, sealed under a key that only who knows the alias and may hash it can derive.

From the alias' secret (32 bytes of HMAC, symphony.resolver.hashing; never stored) HKDF-SHA-256 (RFC 5869) makes two
things: the AES-256-GCM key of the cache (NIST SP 800-38D), and the salt of the registry's answer.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from symphony.errors import SymphonyError

_CACHE: Final = b"symphony proxy cache"
_RESPONSE: Final = b"symphony proxy response"
_NONCE_BYTES: Final = 12


class Unsealable(SymphonyError):
    """Sealed under another alias or key version, or changed since: ask the registry instead."""


def seal(secret: bytes, beneficiary: bytes) -> bytes:
    """Nonce (12 random bytes), ciphertext and tag; 28 bytes longer than the beneficiary."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_derived(secret, _CACHE)).encrypt(nonce, beneficiary, None)


def open_sealed(secret: bytes, sealed: bytes) -> bytes:
    """The beneficiary that `seal` was given. Raises Unsealable."""
    cipher = AESGCM(_derived(secret, _CACHE))
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError):
        raise Unsealable("a cached beneficiary does not open under this alias and key version") from None


def response_sha256(secret: bytes, raw: bytes) -> bytes:
    """SHA-256 of the salt and the registry's answer as received: who knows alias and key can check it, nobody else."""
    return hashlib.sha256(_derived(secret, _RESPONSE) + raw).digest()


def _derived(secret: bytes, info: bytes) -> bytes:
    if len(secret) != 32:
        raise ValueError("an alias' secret has 32 bytes")
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)

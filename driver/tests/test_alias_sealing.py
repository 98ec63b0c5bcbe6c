"""What the cache keeps of a beneficiary opens under its own alias and key version, and under nothing else."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from symphony.resolver.sealing import Unsealable, open_sealed, response_sha256, seal

SECRET = bytes(range(32))
BENEFICIARY = b'{"account":"0123456789","agent":"ZM-BANK-B","name":"Chanda Mwansa"}'


def expanded(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 with an empty salt and one block, written out."""
    extracted = hmac.digest(b"\x00" * 32, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@given(secret=st.binary(min_size=32, max_size=32), beneficiary=st.binary(max_size=4096))
def test_what_was_sealed_opens(secret: bytes, beneficiary: bytes) -> None:
    sealed = seal(secret, beneficiary)
    assert open_sealed(secret, sealed) == beneficiary
    assert len(sealed) == len(beneficiary) + 28


def test_the_construction_is_the_documented_one() -> None:
    sealed = seal(SECRET, BENEFICIARY)
    key = expanded(SECRET, b"symphony proxy cache")
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], None) == BENEFICIARY
    salt = expanded(SECRET, b"symphony proxy response")
    assert response_sha256(SECRET, b"answer") == hashlib.sha256(salt + b"answer").digest()


def test_sealing_twice_gives_two_texts_and_neither_shows_anything() -> None:
    first, second = seal(SECRET, BENEFICIARY), seal(SECRET, BENEFICIARY)
    assert first[:12] != second[:12]
    assert first != second
    for word in (b"0123456789", b"Chanda", b"ZM-BANK"):
        assert word not in first + second


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_changed_bit_is_refused(position: int, bit: int) -> None:
    sealed = bytearray(seal(SECRET, BENEFICIARY))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(Unsealable):
        open_sealed(SECRET, bytes(sealed))


@pytest.mark.parametrize("length", [0, 11, 12, 27, 60])
def test_a_shortened_text_is_refused(length: int) -> None:
    with pytest.raises(Unsealable):
        open_sealed(SECRET, seal(SECRET, BENEFICIARY)[:length])


def test_another_alias_opens_nothing_and_the_refusal_tells_nothing() -> None:
    other = bytes(reversed(SECRET))
    with pytest.raises(Unsealable) as refused:
        open_sealed(other, seal(SECRET, BENEFICIARY))
    assert "Chanda" not in f"{refused.value!r}"
    assert SECRET.hex() not in f"{refused.value!r}"
    assert refused.value.__suppress_context__


def test_the_same_answer_about_two_aliases_has_two_hashes() -> None:
    assert response_sha256(SECRET, b"{}") != response_sha256(bytes(reversed(SECRET)), b"{}")
    assert response_sha256(SECRET, b"{}") != response_sha256(SECRET, b"{} ")
    assert response_sha256(SECRET, b"{}") != hashlib.sha256(b"{}").digest()


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)])
def test_a_secret_has_32_bytes(secret: bytes) -> None:
    for use in (seal, open_sealed, response_sha256):
        with pytest.raises(ValueError, match="32 bytes"):
            use(secret, bytes(64))

"""Secrets that a service reads as bytes: put into OpenBao in the one form that `Session.secret` readers expect."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from symphony.bao.errors import BaoRefused
from symphony.bao.rights import KV, SERVICES
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError

MIN_BYTES: Final = 32
MAX_BYTES: Final = 1_024
# No part is made of dots alone: that would be another path.
_PATH: Final = re.compile(r"([a-z]+)(?:/(?!\.+(?:/|\Z))[A-Za-z0-9._:-]{1,64}){1,2}")


def put_secret(wire: Wire, path: str, secret: bytes, *, replace: bool = False) -> None:
    """Put a secret where only the service that `path` begins with reads it.

    Raises:
        OperatorError: SECRET_PATH_INVALID; SECRET_EXISTS unless it may be replaced. BaoRefused, BaoUnavailable.
    """
    found = _PATH.fullmatch(path)
    if found is None or found[1] not in SERVICES:
        raise OperatorError(
            "SECRET_PATH_INVALID",
            thing="the path of a secret",
            reason="it is not SERVICE/NAME or SERVICE/NAME/NAME",
            next_action="name it like ingress/signature-keys/KEY_ID or ingress/dpop-nonce",
        )
    body = {"data": {"secret": base64.b64encode(secret).decode("ascii")}}
    try:
        wire.write(f"{KV}/data/{path}", body if replace else body | {"options": {"cas": 0}})
    except BaoRefused as error:
        if error.status != 400 or "check-and-set" not in error.said:
            raise
        raise OperatorError(
            "SECRET_EXISTS",
            thing=path,
            reason="there is a secret already, and what runs goes on with that one",
            next_action="register a key under another id, or say --replace and start the readers again",
        ) from None


def decode_secret(text: bytes) -> bytes:
    """The bytes of a secret in base64. Raises OperatorError: SECRET_REFUSED when they cannot be random."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        secret = b""
    if not MIN_BYTES <= len(secret) <= MAX_BYTES or len(set(secret)) < 8:
        raise OperatorError(
            "SECRET_REFUSED",
            thing="the secret",
            reason=f"it is not {MIN_BYTES} to {MAX_BYTES} random bytes in base64",
            next_action="make one: openssl rand -base64 32",
        )
    return secret

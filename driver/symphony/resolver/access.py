"""How a command is told which registry to ask and who hashes aliases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from symphony.operator_error import OperatorError
from symphony.registries.registry import FspiopOptions, Registry, RegistryMisconfigured, RegistryOptions, open_registry
from symphony.resolver.hashing import AliasHasher, LocalHasher, TransitHasher

if TYPE_CHECKING:
    from symphony.bao.session import Session

_REGISTRY = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})=(\S+)")
_KEY_LINE = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChoice:
    """One registry as the command line names it.

    Attributes:
        registry: NAME=URL.
        fsp_id: our FSPIOP identifier, for the registry mojaloop; participants: FSPIOP identifier=participant each.
    """

    registry: str
    fsp_id: str | None = None
    callback_port: int = 0
    participants: Sequence[str] = ()

    def opened(self, *, timeout_ms: int, max_connections: int) -> Registry:
        """Open the adapter inside a running event loop. Raises RegistryMisconfigured."""
        match = _REGISTRY.fullmatch(self.registry)
        if match is None:
            raise RegistryMisconfigured(
                "a registry must be NAME=URL; for example --registry sandbox=http://127.0.0.1:8940"
            )
        fspiop = None
        if self.fsp_id is not None:
            fspiop = FspiopOptions(
                fsp_id=self.fsp_id, callback_port=self.callback_port, participants=self._participants()
            )
        return open_registry(
            match[1],
            RegistryOptions(base_url=match[2], timeout_ms=timeout_ms, max_connections=max_connections, fspiop=fspiop),
        )

    def _participants(self) -> Mapping[str, str]:
        pairs = [text.partition("=") for text in self.participants]
        if any(not name or not participant for name, _, participant in pairs):
            raise RegistryMisconfigured("a participant must be FSPID=PARTICIPANT; write both")
        return {name: participant for name, _, participant in pairs}


def open_hasher(session: Session | None, local_keys: Path | None) -> AliasHasher:
    """OpenBao's transit engine with a session, else keys from a file (development): lines of `VERSION HEX`.

    Raises:
        OperatorError: ALIAS_KEYS_MISSING, ALIAS_KEYS_TWICE, ALIAS_KEYS_UNREADABLE, LOCAL_KEYS_REFUSED.
    """
    if session is not None and local_keys is None:
        return TransitHasher(session)
    if session is not None or local_keys is None:
        raise OperatorError(
            "ALIAS_KEYS_MISSING" if session is None else "ALIAS_KEYS_TWICE",
            thing="who hashes aliases",
            reason="there is neither OpenBao nor a key file"
            if session is None
            else "OpenBao and a key file are both given",
            next_action="give --bao-enrolment, or in development --local-hash-keys FILE; not both",
        )
    try:
        lines = local_keys.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(local_keys, type(error).__name__) from None
    found = [_KEY_LINE.fullmatch(line) for line in lines]
    if not found or not all(found):
        raise _unreadable(local_keys, "a line is not «VERSION 64-HEX-DIGITS»")
    return LocalHasher({int(match[1]): bytes.fromhex(match[2]) for match in found if match is not None})


def _unreadable(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        "ALIAS_KEYS_UNREADABLE",
        thing=str(path),
        reason=reason,
        next_action="write one line per key version: its number, a space, 64 lower-case hexadecimal digits",
    )

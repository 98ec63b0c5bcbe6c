"""Who may do what at OpenBao: the services, their capabilities, and the texts that OpenBao is given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent

KV: Final = "kv"
CLIENT_CA: Final = "pki-clients"
SERVER_CA: Final = "pki-servers"
DATABASE: Final = "database"
TRANSIT: Final = "transit"

EVIDENCE_ED25519: Final = "evidence-ed25519"
EVIDENCE_P256: Final = "evidence-p256"
PROXY_HASH: Final = "proxy-hash"
# Name -> type; an HMAC key has 32 bytes (NIST SP 800-107: as long as the hash).
TRANSIT_KEYS: Final = {EVIDENCE_ED25519: "ed25519", EVIDENCE_P256: "ecdsa-p256", PROXY_HASH: "hmac"}

# A policy that the ingress gets beside its own, where participants' policy may be SYNC.
INGRESS_ALIASES: Final = "ingress-aliases"

# Logins are known by this prefix: what is overdue can be found without OpenBao.
LOGIN_PREFIX: Final = "lease-"
WRAP_TTL_S: Final = 60


@dataclass(frozen=True, slots=True)
class Service:
    """One AppRole and one policy of the same name; each of `capabilities` is a database role for a login of its own."""

    name: str
    capabilities: tuple[str, ...]


SERVICES: Final = {
    service.name: service
    for service in (
        Service("ingress", ("symphony_ingest", "symphony_status_reader", "symphony_evidence_reader")),
        Service("worker", ("symphony_executor",)),
        Service("maintainer", ("symphony_maintainer",)),
        Service("resolver", ("symphony_resolver",)),
        Service("sealer", ("symphony_sealer",)),
        Service("router", ("symphony_router",)),
        # An operator's tools, no daemons: who signs certificates needs no database, who registers them no CA.
        Service("operator", ("symphony_operator",)),
        Service("registrar", ()),
    )
}


def policy(service: str) -> str:
    """The policy file of a service."""
    return (_HERE / "policies" / f"{service}.hcl").read_text(encoding="utf-8")


def statements(name: str, *, capability: str = "") -> list[str]:
    """The statements of a file as OpenBao takes them.

    OpenBao splits a statement at every semicolon unless it is a JSON list of one, so each is sent as such.
    """
    text = (_HERE / "statements" / f"{name}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    parts = [part.strip() for part in code.replace("CAPABILITY", capability).split("\n\n")]
    return [json.dumps([part]) for part in parts if part]

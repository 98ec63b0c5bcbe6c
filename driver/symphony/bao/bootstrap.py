"""`symphony bao bootstrap`: everything OpenBao must hold for Symphony. Running it again changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from symphony.api import connect
from symphony.api.login_issuer import CAPABILITIES
from symphony.bao import rights
from symphony.bao.desired import Desired, as_operator_error
from symphony.bao.errors import BaoRefused
from symphony.bao.login_engine import bring_login_engine
from symphony.bao.pki import bring_pki
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What differs between installations. Every duration is in seconds.

    Attributes:
        server_names: DNS names that certificates of our own listeners may carry beside localhost.
        login_ttl_s: how long a database login lives unless it is renewed.
        login_max_ttl_s: how long it lives at most.
        token_period_s: how long a service's token lives unless it is renewed; longer than login_ttl_s.
        client_ttl_s, server_ttl_s: the longest life of a certificate.
        crl_ttl_s: how long a revocation list is good for; it is renewed at each revocation and by the maintainer.
        issuer: the database login that OpenBao uses to make logins.
        ingress_aliases: the ingress may hash aliases, to resolve them within requests; without it, it may not any more.
    """

    server_names: Sequence[str] = ()
    login_ttl_s: int = 3_600
    login_max_ttl_s: int = 86_400
    token_period_s: int = 7_200
    client_ttl_s: int = 86_400
    server_ttl_s: int = 7 * 86_400
    crl_ttl_s: int = 72 * 3_600
    issuer: str = "openbao_issuer"
    ingress_aliases: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.login_ttl_s <= self.login_max_ttl_s or self.token_period_s <= self.login_ttl_s:
            raise OperatorError(
                "LIFETIMES_INVALID",
                thing="the lives of logins and tokens",
                reason="0 < login_ttl_s <= login_max_ttl_s and login_ttl_s < token_period_s must hold",
                next_action="correct them: a token that ends takes its logins with it",
            )


async def bootstrap(wire: Wire, *, database_url: str | None, plan: Plan) -> list[str]:
    """Bring OpenBao (and the issuer's database login) to the wanted state; return what was changed.

    Without a database_url the database engine is left alone.

    Raises:
        OperatorError: AUDIT_MISSING, MOUNT_DIFFERS, KEY_DIFFERS, BAO_REFUSED with OpenBao's words, those of
            symphony.api.login_issuer. BaoUnavailable, DatabaseUnavailable.
    """
    desired = Desired(wire)
    try:
        await asyncio.to_thread(_bring_all_but_logins, desired, plan)
        if database_url is not None:
            async with await connect(database_url, application_name="symphony bao") as connection:
                await bring_login_engine(
                    desired,
                    connection,
                    database_url=database_url,
                    issuer=plan.issuer,
                    ttl_s=plan.login_ttl_s,
                    max_ttl_s=plan.login_max_ttl_s,
                    capabilities=CAPABILITIES,
                )
    except BaoRefused as error:
        raise as_operator_error(error, thing="bootstrap of OpenBao") from None
    return desired.changes


def _bring_all_but_logins(desired: Desired, plan: Plan) -> None:
    _check_audit(desired.wire)
    desired.mount(rights.KV, "kv", options={"version": "2"})
    for name in (*rights.SERVICES, *_ingress_extras(plan)):
        desired.document(f"sys/policies/acl/{name}", {"policy": rights.policy(name)})
    _bring_app_roles(desired, plan)
    bring_pki(
        desired,
        server_names=plan.server_names,
        client_ttl_s=plan.client_ttl_s,
        server_ttl_s=plan.server_ttl_s,
        crl_ttl_s=plan.crl_ttl_s,
    )
    _bring_transit(desired)


def _check_audit(wire: Wire) -> None:
    """Every request must be written down before it is answered; since 2.4 only the server's own file can say so."""
    devices = ((wire.read("sys/audit") or {}).get("data") or {}).values()
    if not any(device["type"] == "file" for device in devices):
        raise OperatorError(
            "AUDIT_MISSING",
            thing="OpenBao",
            reason="it has no file audit device",
            next_action='put an audit "file" block into the server\'s configuration and restart it',
        )


def _bring_app_roles(desired: Desired, plan: Plan) -> None:
    """One role per service. Every field that widens a role is named, so that none survives from before."""
    desired.auth("approle", "approle")
    for service in rights.SERVICES:
        wanted = {
            "bind_secret_id": True,
            "secret_id_num_uses": 1,
            "secret_id_ttl": 300,
            "token_policies": [service, *_ingress_extras(plan)] if service == "ingress" else [service],
            "token_no_default_policy": True,
            "token_period": plan.token_period_s,
            "token_ttl": 0,
            "token_max_ttl": 0,
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_type": "service",
        }
        desired.document(f"auth/approle/role/{service}", wanted)


def _ingress_extras(plan: Plan) -> list[str]:
    return [rights.INGRESS_ALIASES] if plan.ingress_aliases else []


def _bring_transit(desired: Desired) -> None:
    """Keys that never leave OpenBao. An existing key is never replaced: what it signed must stay verifiable."""
    desired.mount(rights.TRANSIT, "transit")
    for name, kind in rights.TRANSIT_KEYS.items():
        path = f"{rights.TRANSIT}/keys/{name}"
        found = desired.wire.read(path)
        if found is None:
            size = {"key_size": 32} if kind == "hmac" else {}
            closed = {"exportable": False, "allow_plaintext_backup": False}
            desired.wire.write(path, {"type": kind, **size, **closed})
            desired.changes.append(path)
        elif found["data"]["type"] != kind or found["data"]["exportable"] or found["data"]["allow_plaintext_backup"]:
            raise OperatorError(
                "KEY_DIFFERS",
                thing=f"transit key {name}",
                reason=f"it is no {kind} key, or it may be exported",
                next_action="find out who made it; Symphony uses only keys that cannot leave OpenBao",
            )

"""The two issuing authorities: one for clients' certificates, one for our own listeners, sharing no root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symphony.bao.desired import Desired
from symphony.bao.rights import CLIENT_CA, SERVER_CA

_CA_TTL_S = 5 * 365 * 86_400
# Nothing here may grow a certificate beyond its purpose: EKU comes from the two flags alone.
_BOTH: dict[str, Any] = {
    "key_type": "ec",
    "key_bits": 256,
    "key_usage": ["DigitalSignature"],
    "ext_key_usage": [],
    "ext_key_usage_oids": [],
    "code_signing_flag": False,
    "email_protection_flag": False,
    "allow_any_name": False,
    "allow_glob_domains": False,
    "allow_wildcard_certificates": False,
    "allowed_other_sans": [],
    "allowed_user_ids": [],
    "basic_constraints_valid_for_non_ca": True,
    "generate_lease": False,
    "no_store": False,  # or it could not be revoked
    "require_cn": False,
    "not_before_duration": 30,
    "use_csr_common_name": False,
    "use_csr_sans": False,
}


def bring_pki(
    desired: Desired, *, server_names: Sequence[str], client_ttl_s: int, server_ttl_s: int, crl_ttl_s: int
) -> None:
    """Have both authorities, their revocation lists and their roles.

    auto_rebuild stays off: with it a revoked serial was missing from the list until the next rebuild.
    """
    for mount, name in ((CLIENT_CA, "Symphony clients"), (SERVER_CA, "Symphony servers")):
        desired.mount(mount, "pki", config={"max_lease_ttl": f"{_CA_TTL_S}s"})
        _bring_authority(desired, mount, name=name)
        lists = {"expiry": f"{crl_ttl_s}s", "disable": False, "ocsp_disable": False, "ocsp_expiry": "1h"}
        desired.document(f"{mount}/config/crl", {**lists, "auto_rebuild": False, "enable_delta": False})
        places = {
            "issuing_certificates": [f"{desired.wire.address}/v1/{mount}/ca"],
            "crl_distribution_points": [f"{desired.wire.address}/v1/{mount}/crl"],
            "ocsp_servers": [f"{desired.wire.address}/v1/{mount}/ocsp"],
        }
        desired.document(f"{mount}/config/urls", places)
    clients = {
        "client_flag": True,
        "server_flag": False,
        "allowed_domains": [],
        "allow_localhost": False,
        "allow_bare_domains": False,
        "allow_subdomains": False,
        "allow_ip_sans": False,
        "allowed_uri_sans": ["urn:symphony:client:*"],
        "cn_validations": ["disabled"],
        "enforce_hostnames": False,
        "ttl": client_ttl_s,
        "max_ttl": client_ttl_s,
    }
    desired.document(f"{CLIENT_CA}/roles/participant", {**_BOTH, **clients}, replace=True)
    servers = {
        "client_flag": False,
        "server_flag": True,
        "allowed_domains": sorted(server_names),
        "allow_localhost": True,
        "allow_bare_domains": True,
        "allow_subdomains": False,
        "allow_ip_sans": True,
        "allowed_uri_sans": [],
        "cn_validations": ["hostname"],
        "enforce_hostnames": True,
        "ttl": server_ttl_s,
        "max_ttl": server_ttl_s,
    }
    desired.document(f"{SERVER_CA}/roles/ingress", {**_BOTH, **servers}, replace=True)


def _bring_authority(desired: Desired, mount: str, *, name: str) -> None:
    issuers = desired.wire.read(f"{mount}/config/issuers")
    if ((issuers or {}).get("data") or {}).get("default"):
        return
    desired.wire.write(
        f"{mount}/root/generate/internal",
        {
            "common_name": name,
            "key_type": "ec",
            "key_bits": 256,
            "ttl": f"{_CA_TTL_S}s",
            "max_path_length": 0,
            "exclude_cn_from_sans": True,
        },
    )
    desired.changes.append(f"{mount}/root")

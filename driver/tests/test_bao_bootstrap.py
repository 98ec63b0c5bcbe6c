"""`symphony bao bootstrap`: twice is once, what somebody widened is narrowed again, what is ours is never replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from symphony.bao import server as server_module
from symphony.bao.bootstrap import Plan
from symphony.bao.command import bao as command
from symphony.bao.rights import INGRESS_ALIASES, SERVICES, policy
from symphony.operator_error import OperatorError
from tests.bao_process import Bao, running

pytest_plugins = ("tests.bao_fixtures",)


def _call(bao: Bao, *arguments: str, token_file: Path | None = None) -> Any:
    options = ["--address", bao.server.address, "--token-file", str(token_file or bao.server.token_file)]
    return CliRunner().invoke(command, [*arguments, *options])


def _data(bao: Bao, path: str) -> dict[str, Any]:
    found = bao.root.read(path)
    assert found is not None
    return dict(found["data"])


def test_the_command_twice_changes_nothing_the_second_time() -> None:
    with running() as bao:
        first = _call(bao, "bootstrap")
        assert first.exit_code == 0, first.output
        assert first.output.endswith("\n32 changed\n"), first.output
        certificate = bao.root.raw("pki-clients/ca")
        second = _call(bao, "bootstrap")
        assert second.output == "0 changed\n"
        assert bao.root.raw("pki-clients/ca") == certificate
        assert bao.server.root_token() not in first.output + second.output


def test_each_service_has_one_role_with_one_policy_and_a_single_use_secret(bao: Bao) -> None:
    for service in SERVICES:
        role = _data(bao, f"auth/approle/role/{service}")
        assert role["token_policies"] == [service]
        assert role["token_no_default_policy"] is True
        assert (role["secret_id_num_uses"], role["token_period"]) == (1, 7_200)
        assert _data(bao, f"sys/policies/acl/{service}")["policy"] == policy(service)


def test_the_ingress_may_hash_aliases_only_where_it_is_told_to(bao: Bao) -> None:
    role, extra = "auth/approle/role/ingress", f"sys/policies/acl/{INGRESS_ALIASES}"
    try:
        assert bao.bootstrap(ingress_aliases=True) == [extra, role]
        assert _data(bao, role)["token_policies"] == ["ingress", INGRESS_ALIASES]
        assert _data(bao, extra)["policy"] == policy(INGRESS_ALIASES)
        assert bao.bootstrap(ingress_aliases=True) == []
    finally:
        assert bao.bootstrap() == [role]
    assert _data(bao, role)["token_policies"] == ["ingress"]


@pytest.mark.parametrize(
    ("path", "planted", "kept"),
    [
        ("sys/policies/acl/worker", {"policy": 'path "*" { capabilities = ["sudo"] }'}, "policy"),
        ("auth/approle/role/worker", {"secret_id_num_uses": 0}, "secret_id_num_uses"),
        ("auth/approle/role/worker", {"token_policies": ["worker", "sealer"]}, "token_policies"),
        ("auth/approle/role/worker", {"token_no_default_policy": False}, "token_no_default_policy"),
        ("pki-clients/roles/participant", {"server_flag": True}, "server_flag"),
        ("pki-clients/roles/participant", {"ext_key_usage_oids": ["1.3.6.1.5.5.7.3.1"]}, "ext_key_usage_oids"),
        ("pki-servers/roles/ingress", {"allow_any_name": True}, "allow_any_name"),
        ("pki-clients/config/crl", {"auto_rebuild": True}, "auto_rebuild"),
        ("pki-clients/config/crl", {"disable": True}, "disable"),
    ],
)
def test_what_was_widened_is_narrowed_again(bao: Bao, path: str, planted: dict[str, Any], kept: str) -> None:
    before = _data(bao, path)
    current = {} if path.startswith(("sys/", "auth/")) else before
    bao.root.write(path, {**current, **planted})
    assert _data(bao, path)[kept] != before[kept], "nothing was planted"
    assert bao.bootstrap() == [path]
    assert _data(bao, path)[kept] == before[kept]
    assert bao.bootstrap() == []


def test_a_field_that_we_never_write_does_not_survive_in_a_role_of_ours(bao: Bao) -> None:
    path = "pki-clients/roles/participant"
    bao.root.write(path, {**_data(bao, path), "policy_identifiers": ["1.2.3.4"], "client_flag": False})
    assert bao.bootstrap() == [path]
    assert _data(bao, path)["policy_identifiers"] == []


def test_without_an_audit_device_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    without = server_module._CONFIGURATION.partition("audit ")[0]
    monkeypatch.setattr(server_module, "_CONFIGURATION", without)
    with running() as bao:
        with pytest.raises(OperatorError, match="AUDIT_MISSING"):
            bao.bootstrap()
        assert "kv/" not in _data(bao, "sys/mounts")


def test_a_key_that_may_leave_and_a_mount_of_another_kind_are_refused_and_kept() -> None:
    with running() as bao:
        bao.root.write("sys/mounts/transit", {"type": "transit"})
        bao.root.write("transit/keys/proxy-hash", {"type": "hmac", "key_size": 32, "exportable": True})
        with pytest.raises(OperatorError, match="KEY_DIFFERS: transit key proxy-hash"):
            bao.bootstrap()
        assert _data(bao, "transit/keys/proxy-hash")["latest_version"] == 1
        bao.root.delete("sys/mounts/kv")
        bao.root.write("sys/mounts/kv", {"type": "kv", "options": {"version": "1"}})
        with pytest.raises(OperatorError, match="MOUNT_DIFFERS: kv/"):
            bao.bootstrap()


def test_a_token_without_the_right_is_refused_in_openbaos_words_and_not_shown(bao: Bao, tmp_path: Path) -> None:
    weak = bao.root.write("auth/token/create", {"policies": ["worker"], "no_default_policy": True})["auth"][
        "client_token"
    ]
    file = tmp_path / "weak.token"
    file.write_text(weak)
    for arguments in (["bootstrap"], ["enrol", "sealer", "--out", str(tmp_path / "sealer.json")]):
        refused = _call(bao, *arguments, token_file=file)
        assert refused.exit_code == 1
        assert "BAO_REFUSED" in refused.output
        assert "permission denied" in refused.output
        assert weak not in refused.output
    assert not (tmp_path / "sealer.json").exists()
    assert weak not in bao.said()
    assert "TOKEN_FILE_UNREADABLE" in _call(bao, "bootstrap", token_file=tmp_path / "none").output


@pytest.mark.parametrize(
    "lives", [{"login_ttl_s": 0}, {"login_ttl_s": 10, "login_max_ttl_s": 5}, {"login_ttl_s": 60, "token_period_s": 60}]
)
def test_lives_that_cannot_work_are_refused(lives: dict[str, int]) -> None:
    with pytest.raises(OperatorError, match="LIFETIMES_INVALID"):
        Plan(**lives)  # type: ignore[arg-type]

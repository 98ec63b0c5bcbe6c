"""The reason taxonomy: what our reasons mean in ISO 20022 is data, whole, published by version, and right."""

from __future__ import annotations

import copy
import csv
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from jsonschema import Draft202012Validator
from psycopg import sql
from psycopg.types.json import Jsonb

from symphony.cli import main
from symphony.policy_document import DocumentInvalid, load_reason_taxonomy
from symphony.reasons_command import BUILTIN, reasons_group
from tests.command_calls import count, run

pytest_plugins = ("tests.login_fixtures",)
VECTORS = Path(os.environ.get("SYMPHONY_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
CODES = VECTORS / "iso_external_codes.csv"
DOCUMENT: dict[str, Any] = json.loads(BUILTIN.read_text(encoding="utf-8"))
ROWS = {row["reason_code"]: row for row in DOCUMENT["reasons"]}

# Reasons that refuse a request or a connection, a proof or a registration, not a payment. A new reason is one or the other.
NOT_A_PAYMENTS = re.compile(
    "(CERT|TOKEN|DPOP|DIGEST|SIGNATURE|JWKS|CONNECTION|AUTHORIZATION|PROOF|KEY|TRUST|REVOCATION)_.*"
    "|JSON_.*|HEADER_INVALID|IDEMPOTENCY_KEY_.*|MEDIA_TYPE_UNSUPPORTED|CONTENT_CODING_UNSUPPORTED|BODY_.*|BATCH_TOO_LARGE"
    "|FRAMING_INVALID|IDENTITY_MISSING|RATE_LIMITED|TOO_MANY_REFUSALS|REFUSALS_UNRECORDED|INSTRUCTION_UNKNOWN|RESOURCE_UNKNOWN"
    "|METHOD_NOT_ALLOWED|EXPECTATION_UNSUPPORTED|UNREGISTERED_REASON|LEASE_LOST"
)
# Name, whether it is over, whether a machine tries again. Read from ISO's definitions by hand, not from the file.
EXPECTED = {
    "PROXY_NOT_FOUND": ("BE23", "AccountProxyInvalid", True, False),
    "PROXY_INVALID": ("BE23", "AccountProxyInvalid", True, False),
    "PROXY_INVALID_FORMAT": ("BE23", "AccountProxyInvalid", True, False),
    "PROXY_REVOKED": ("BE23", "AccountProxyInvalid", True, False),
    "PROXY_REGISTRY_UNAVAILABLE": ("AB07", "OfflineAgent", False, True),
    "PROXY_REGISTRY_TIMEOUT": ("AB07", "OfflineAgent", False, True),
    "PROXY_REGISTRY_ERROR": ("AB07", "OfflineAgent", False, True),
    "PROXY_ANSWER_UNUSABLE": ("FF10", "BankSystemProcessingError", False, True),
    "PROXY_TARGET_CHANGED": ("BE01", "InconsistenWithEndCustomer", True, False),  # spelled so by ISO
    "IDEMPOTENCY_CONFLICT": ("DU05", "DuplicateInstructionID", True, False),
    "LIMIT_TRANSACTION": ("AM14", "AmountExceedsAgreedLimit", True, False),
    "AMOUNT_TOO_LARGE": ("AM02", "NotAllowedAmount", True, False),
    "AMOUNT_INVALID": ("AM12", "InvalidAmount", True, False),
    "AMOUNT_ZERO": ("AM01", "ZeroAmount", True, False),
    "AMOUNT_DECIMALS": ("CH20", "DecimalPointsNotCompatibleWithCurrency", True, False),
    "CURRENCY_INVALID": ("AM11", "InvalidTransactionCurrency", True, False),
    "CURRENCY_NOT_ALLOWED": ("AM03", "NotAllowedCurrency", True, False),
    "PARTICIPANT_UNKNOWN": ("DNOR", "DebtorBankIsNotRegistered", True, False),
    "CREDITOR_PARTICIPANT_UNKNOWN": ("CNOR", "CreditorBankIsNotRegistered", True, False),
    "CREDITOR_NOT_RECEIVING": ("AG11", "CreditorAgentSuspended", True, False),
    "RAIL_REJECTED": ("NARR", "Narrative", True, False),
    "RAIL_UNCERTAIN": (None, None, False, False),
    "ENQUIRY_EXHAUSTED": (None, None, False, False),
    "RAIL_NOT_SENT": (None, None, False, True),
}  # fmt: skip


@pytest.mark.parametrize("reason_code", EXPECTED)
def test_the_critical_reasons_mean_this(reason_code: str) -> None:
    row = ROWS[reason_code]
    assert (row["iso_code"], row["iso_name"], row["terminal"], row["auto_retry"]) == EXPECTED[reason_code]


def test_an_alias_is_never_refused_with_a_code_about_something_else() -> None:
    """NOAS is a recall's answer, DNOR accuses the payer's bank, FF01 is about a file, AC0x about an account."""
    used = {row["iso_code"] for code, row in ROWS.items() if code.startswith("PROXY_")}
    assert "BE23" in used
    assert not used & {"NOAS", "DNOR", "FF01", "AC01", "AC03", "AC04", "AC06", "AC07"}


def test_what_may_have_been_executed_is_never_said_to_be_over_or_sent_again() -> None:
    for code in ("RAIL_UNCERTAIN", "RAIL_NOT_FOUND", "RAIL_ECHO_MISMATCH", "RAIL_REFERENCE_MISSING", "LEASE_EXPIRED", "ENQUIRY_EXHAUSTED"):  # fmt: skip
        row = ROWS[code]
        assert (row["iso_code"], row["terminal"], row["auto_retry"]) == (None, False, False), code


@pytest.mark.skipif(not CODES.is_file(), reason="SYMPHONY_VECTORS has no iso_external_codes.csv")
def test_every_code_and_name_is_as_iso_publishes_it() -> None:
    with CODES.open(encoding="utf-8", newline="") as stream:
        published = {row["code"]: row["name"] for row in csv.DictReader(stream) if row["code_set"] == DOCUMENT["code_set"]}  # fmt: skip
    coded = {code: row for code, row in ROWS.items() if row["iso_code"] is not None}
    assert len(coded) > 25
    for code, row in coded.items():
        assert published[row["iso_code"]] == row["iso_name"], code


def test_the_file_is_valid_and_so_is_its_schema() -> None:
    schema = json.loads(BUILTIN.with_name("reason_taxonomy.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert load_reason_taxonomy(BUILTIN).content == DOCUMENT


def first(**members: Any) -> Callable[[dict[str, Any]], None]:
    """Change the first reason."""
    return lambda document: document["reasons"][0].update(members)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (first(iso_code=None), "/reasons/0/iso_name"),
        (first(iso_name=None), "/reasons/0/iso_name"),
        (first(iso_code="be23"), "/reasons/0/iso_code"),
        (first(auto_retry=True), "/reasons/0/auto_retry"),
        (first(terminal="yes"), "/reasons/0/terminal"),
        (first(next_action=""), "/reasons/0/next_action"),
        (first(next_action="  "), "/reasons/0/next_action"),
        (first(next_action="a\tb"), "/reasons/0/next_action"),
        (first(reason_code="proxy"), "/reasons/0/reason_code"),
        (first(retry=True), "/reasons/0"),
        (lambda document: document["reasons"].append(document["reasons"][0]), f"/reasons/{len(ROWS)}/reason_code"),
        (lambda document: document.update(code_set="ExternalReturnReason1Code"), "/code_set"),
        (lambda document: document.update(version=0), "/version"),
        (lambda document: document.update(edition=""), "/edition"),
        (lambda document: document.pop("edition"), ""),
        (lambda document: document.update(reasons=[]), "/reasons"),
    ],
)
def test_a_file_that_is_not_so_is_refused_by_pointer(
    change: Callable[[dict[str, Any]], None], pointer: str, tmp_path: Path
) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    file = tmp_path / "taxonomy.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DocumentInvalid) as refused:
        load_reason_taxonomy(file)
    assert [at for at, _ in refused.value.problems] == [pointer]


def test_every_registered_reason_about_a_payment_is_in_it(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        registered = {row[0] for row in connection.execute("select reason_code from core.reasons")}
    assert ROWS.keys() <= registered
    about_payments = {code for code in registered if not NOT_A_PAYMENTS.fullmatch(code)}
    assert about_payments == ROWS.keys()


def published(url: str, document: object, *, operator: str = "Mutinta", role: str = "symphony_policy_admin") -> int:
    """Call the function under a role, in a transaction of its own."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        row = connection.execute("select core.publish_reason_taxonomy(%s, %s)", (Jsonb(document), operator)).fetchone()
    assert row is not None
    return int(row[0])


def rows(url: str) -> int:
    """How many rows the taxonomy has."""
    return count(url, "select count(*) from core.reason_taxonomy")


def changed(**members: Any) -> dict[str, Any]:
    """The built-in document as version 2, with members changed."""
    return {**copy.deepcopy(DOCUMENT), "version": 2, **members}


def with_first(**members: Any) -> dict[str, Any]:
    """Version 2 with its first reason changed."""
    return changed(reasons=[{**DOCUMENT["reasons"][0], **members}, *DOCUMENT["reasons"][1:]])


def test_publishing_twice_writes_once_and_versions_grow_one_by_one(fresh_database: str) -> None:
    assert published(fresh_database, DOCUMENT) == len(ROWS)
    assert published(fresh_database, {**DOCUMENT, "reasons": DOCUMENT["reasons"][::-1]}) == 0, "order says nothing"
    assert published(fresh_database, DOCUMENT, operator="somebody else") == 0
    assert rows(fresh_database) == len(ROWS)
    assert published(fresh_database, changed(reasons=DOCUMENT["reasons"][:2], edition="2026-Q4")) == 2
    assert rows(fresh_database) == len(ROWS) + 2
    query = "select count(*) from evidence.reason_taxonomy where in_force and taxonomy_version = 2 and edition = '2026-Q4' and published_by = 'Mutinta'"
    assert count(fresh_database, query) == 2
    assert count(fresh_database, "select count(*) from evidence.reason_taxonomy where not in_force") == len(ROWS)


@pytest.mark.parametrize(
    ("document", "operator", "state"),
    [
        ({**DOCUMENT, "version": 3}, "op", "SC002"),
        ({**DOCUMENT, "version": 0}, "op", "SC002"),
        ({**DOCUMENT, "edition": "another"}, "op", "SC002"),
        ({**DOCUMENT, "reasons": DOCUMENT["reasons"][1:]}, "op", "SC002"),
        ({**DOCUMENT, "reasons": [*DOCUMENT["reasons"], DOCUMENT["reasons"][0]]}, "op", "SC002"),
        ({**DOCUMENT, "reasons": with_first(next_action="x")["reasons"]}, "op", "SC002"),
        ({name: value for name, value in DOCUMENT.items() if name != "version"}, "op", "SC002"),
        (None, "op", "SC002"),
        ({**DOCUMENT, "version": 99999999999}, "op", "SV004"),
        ({**DOCUMENT, "version": "next"}, "op", "SV004"),
        (changed(code_set="ExternalReturnReason1Code"), "op", "SV004"),
        (changed(reasons=[]), "op", "SV004"),
        (changed(reasons=None), "op", "SV004"),
        (changed(reasons=1), "op", "SV004"),
        (changed(edition=""), "op", "SV004"),
        (changed(edition=None), "op", "SV004"),
        (changed(), "", "SV004"),
        (changed(), " \t", "SV004"),
        (changed(), "x" * 101, "SV004"),
        (with_first(reason_code="NOT_REGISTERED"), "op", "SV004"),
        (with_first(iso_code=None), "op", "SV004"),
        (with_first(iso_name=None), "op", "SV004"),
        (with_first(iso_code="BE2"), "op", "SV004"),
        (with_first(auto_retry=True), "op", "SV004"),
        (with_first(terminal=None), "op", "SV004"),
        (with_first(terminal="maybe"), "op", "SV004"),
        (with_first(next_action=" "), "op", "SV004"),
        (changed(reasons=[*DOCUMENT["reasons"], DOCUMENT["reasons"][0]]), "op", "SV004"),
    ],
)  # fmt: skip
def test_the_database_refuses_what_is_not_whole(
    published_once: str, document: object, operator: str, state: str
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        published(published_once, document, operator=operator)
    assert refused.value.sqlstate == state, refused.value
    assert str(refused.value.diag.message_primary).startswith("reason_taxonomy_")
    assert rows(published_once) == len(ROWS)


@pytest.fixture(scope="module")
def published_once(database_url: str) -> str:
    """A database with the built-in taxonomy; its tests write nothing."""
    published(database_url, DOCUMENT)
    return database_url


@pytest.mark.parametrize("role", ["symphony_operator", "symphony_executor", "symphony_resolver", "symphony_auditor", "symphony_outbox_owner"])  # fmt: skip
def test_only_the_policy_admin_publishes(published_once: str, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        published(published_once, changed(), role=role)
    assert rows(published_once) == len(ROWS)


@pytest.mark.parametrize("role", ["symphony_policy_admin", "symphony_operator", "symphony_auditor"])
@pytest.mark.parametrize("statement", ["select 1 from core.reason_taxonomy", "delete from core.reason_taxonomy"])
def test_no_capability_touches_the_table(published_once: str, role: str, statement: str) -> None:
    with psycopg.connect(published_once) as connection:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize("mode", ["origin", "replica"])
@pytest.mark.parametrize("role", ["symphony_core_owner", None])
def test_what_was_published_stays(published_once: str, role: str | None, mode: str) -> None:
    for statement in (
        "update core.reason_taxonomy set iso_code = 'NOAS'",
        "delete from core.reason_taxonomy",
        "truncate core.reason_taxonomy",
    ):
        with psycopg.connect(published_once) as connection:
            connection.execute(sql.SQL("set session_replication_role = {}").format(sql.Identifier(mode)))
            if role is not None:
                connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement.encode())
        assert refused.value.sqlstate == "SX001", statement
    assert rows(published_once) == len(ROWS)
    assert count(published_once, "select count(*) from core.reason_taxonomy where iso_code = 'NOAS'") == 0


def next_actions(url: str, *codes: str) -> dict[str, str]:
    """What core.next_actions says to the outbox's functions."""
    with psycopg.connect(url) as connection:
        connection.execute("set local role symphony_outbox_owner")
        found = connection.execute("select * from core.next_actions(p_reason_codes => %s::text[])", (list(codes),)).fetchall()  # fmt: skip
    assert len(found) == len({code for code, _ in found})
    return dict(found)


def test_the_next_action_is_the_newest_taxonomys_or_the_registers(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        register: dict[str, str] = dict(
            connection.execute("select reason_code, next_action from core.reasons").fetchall()
        )
    asked = ("PROXY_NOT_FOUND", "RAIL_REJECTED", "PROXY_NOT_FOUND", "NOT_REGISTERED")
    before = {code: register[code] for code in ("PROXY_NOT_FOUND", "RAIL_REJECTED")}
    assert next_actions(fresh_database, *asked) == before
    published(fresh_database, DOCUMENT)
    assert next_actions(fresh_database, *asked) == {code: ROWS[code]["next_action"] for code in before}
    newer = {**ROWS["PROXY_NOT_FOUND"], "next_action": "ring the payee"}
    published(fresh_database, changed(reasons=[newer]))
    assert next_actions(fresh_database, *asked) == {
        "PROXY_NOT_FOUND": "ring the payee",
        "RAIL_REJECTED": register["RAIL_REJECTED"],
    }
    assert next_actions(fresh_database) == {}


def test_the_commands_publish_and_list(fresh_database: str, urls: dict[str, str], tmp_path: Path) -> None:
    admin, operator = urls["symphony_policy_admin"], urls["symphony_operator"]
    empty = run(reasons_group, "list", url=operator)
    assert (empty.exit_code, empty.output) == (0, "")
    named = ("--operator", "Mutinta")
    done = run(main, "reasons", "publish", "--builtin", *named, url=admin)
    assert (done.exit_code, done.output) == (0, f"reason taxonomy version 1: {len(ROWS)} reasons published\n")
    again = run(reasons_group, "publish", BUILTIN, *named, url=admin)
    assert (again.exit_code, again.output) == (0, "reason taxonomy version 1: published already\n")

    file = tmp_path / "3.json"
    file.write_text(json.dumps({**DOCUMENT, "version": 3}), encoding="utf-8")
    skipped = run(reasons_group, "publish", file, *named, url=admin)
    assert skipped.exit_code == 1
    assert "SC002" in skipped.stderr
    for arguments in ((), ("--builtin", BUILTIN)):
        misused = run(reasons_group, "publish", *arguments, *named, url=admin)
        assert (misused.exit_code, "give a FILE or --builtin" in misused.stderr) == (2, True)
    wrong = run(reasons_group, "publish", "--builtin", *named, url=operator)
    assert "LOGIN_LACKS_CAPABILITY" in wrong.stderr
    assert rows(fresh_database) == len(ROWS)

    listed = run(reasons_group, "list", url=operator).stdout
    assert re.search(r"^PROXY_NOT_FOUND +BE23 AccountProxyInvalid +terminal +have the payer", listed, re.M)
    assert re.search(r"^RAIL_UNCERTAIN +- +open +none: the machine enquires", listed, re.M)
    lines = [json.loads(line) for line in run(reasons_group, "list", "--json", url=operator).stdout.splitlines()]
    extra = {"taxonomy_version": 1, "edition": DOCUMENT["edition"]}
    assert lines == [{**ROWS[code], **extra} for code in sorted(ROWS)]

"""A policy that passes is whole, finite and consistent; one that does not is refused by pointer."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import symphony
from symphony.policy_command import policy_group
from symphony.policy_document import DocumentInvalid, load_policy, load_response_classes

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = Path(symphony.__file__).parent
DEMO = REPOSITORY / "scripts" / "demo.policy.json"
SANDBOX = PACKAGE / "rails" / "sandbox.responses.json"
SCHEMAS = [PACKAGE / "policy.schema.json", PACKAGE / "response_classes.schema.json"]


def demo() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DEMO.read_text())
    return content


def problems_of(path: Path, content: object) -> list[tuple[str, str]]:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DocumentInvalid) as refusal:
        load_policy(path)
    for pointer, said in refusal.value.problems:
        assert (pointer or "the document") in str(refusal.value)
        assert said in str(refusal.value)
    return refusal.value.problems


def test_the_demonstration_policy_is_valid_and_its_checksum_is_of_the_canonical_form() -> None:
    document = load_policy(DEMO)
    assert document.version == 1
    assert document.sha256 == hashlib.sha256(rfc8785.dumps(demo())).digest()
    assert {p["participant_id"] for p in document.content["participants"]} == {
        "ZM-BANK-A",
        "ZM-BANK-B",
        "ZM-MOMO-C",
    }
    assert {p["home_cell_id"] for p in document.content["participants"]} == {"cell-1"}


def test_order_and_spacing_do_not_change_the_checksum(tmp_path: Path) -> None:
    other = tmp_path / "p.json"
    other.write_text(json.dumps(dict(reversed(demo().items())), indent=7))
    assert load_policy(other).sha256 == load_policy(DEMO).sha256


def rail(content: dict[str, Any], **members: object) -> None:
    content["rails"][0].update(members)


def limit(content: dict[str, Any], **members: object) -> None:
    content["participants"][0]["limits"][0].update(members)


def member(content: dict[str, Any], **members: object) -> None:
    content["participants"][1].update(members)


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        (lambda c: c.pop("caps"), "", "'caps' is a required property"),
        (lambda c: c.update(extra=1), "", "'extra' was unexpected"),
        (lambda c: c.update(version=0), "/version", "less than the minimum of 1"),
        (lambda c: c.update(version=2**31), "/version", "greater than the maximum"),
        (lambda c: c.update(version=True), "/version", "not of type 'integer'"),
        (lambda c: c.update(version=1.0), "/version", "without a point or exponent"),
        (lambda c: c.update(name=""), "/name", "too short|non-empty"),
        (lambda c: c.update(name="a\nb"), "/name", "control character"),
        (lambda c: c.update(time_zone="Mars/Olympus"), "/time_zone", "not an IANA time zone"),
        (lambda c: c.update(time_zone="../etc/passwd"), "/time_zone", "does not match"),
        (lambda c: c["caps"].update(in_flight_global=0), "/caps/in_flight_global", "minimum of 1"),
        (lambda c: c.update(participants=[]), "/participants", "too short|non-empty"),
        (lambda c: c.update(rails=[]), "/rails", "too short|non-empty"),
        (lambda c: member(c, participant_id="ZM-BANK-A"), "/participants/1/participant_id", "listed already"),
        (lambda c: member(c, participant_id="zm bank"), "/participants/1/participant_id", "does not match"),
        (lambda c: member(c, participant_id="ZM\n"), "/participants/1/participant_id", "control character"),
        (lambda c: member(c, tenant_id=""), "/participants/1/tenant_id", "does not match"),
        (lambda c: member(c, home_cell_id="Cell 1"), "/participants/1/home_cell_id", "does not match"),
        (lambda c: member(c, home_cell_epoch=0), "/participants/1/home_cell_epoch", "minimum of 1"),
        (lambda c: member(c, status="GONE"), "/participants/1/status", "is not one of"),
        (lambda c: member(c, rails=["zipss"]), "/participants/1/rails/0", "zipss is not among /rails"),
        (lambda c: member(c, rails=["sandbox"] * 2), "/participants/1/rails", "non-unique"),
        (lambda c: member(c, in_flight_cap=0), "/participants/1/in_flight_cap", "minimum of 1"),
        (lambda c: member(c, limits=c["participants"][0]["limits"] * 2), "/participants/1/limits/1/currency",
         "has limits already"),
        (lambda c: limit(c, currency="ZMX"), "/participants/0/limits/0/currency", "not an ISO 4217 currency"),
        (lambda c: limit(c, currency="XAU"), "/participants/0/limits/0/currency", "not an ISO 4217 currency"),
        (lambda c: limit(c, currency="zmw"), "/participants/0/limits/0/currency", "does not match"),
        (lambda c: limit(c, transaction_max_minor=5), "/participants/0/limits/0/transaction_max_minor",
         "not of type 'string'"),
        (lambda c: limit(c, transaction_max_minor="1.5"), "/participants/0/limits/0/transaction_max_minor",
         "does not match"),
        (lambda c: limit(c, transaction_max_minor="0"), "/participants/0/limits/0/transaction_max_minor",
         "does not match"),
        (lambda c: limit(c, transaction_max_minor="\u0661"), "/participants/0/limits/0/transaction_max_minor",
         "does not match"),
        (lambda c: limit(c, day_value_max_minor="9" * 19), "/participants/0/limits/0/day_value_max_minor",
         "does not match"),
        (lambda c: limit(c, day_value_max_minor="99999999"), "/participants/0/limits/0/transaction_max_minor",
         "above day_value_max_minor"),
        (lambda c: limit(c, day_count_max=0), "/participants/0/limits/0/day_count_max", "minimum of 1"),
        (lambda c: c["rails"].append(c["rails"][0]), "/rails/1/rail", "sandbox is listed already"),
        (lambda c: rail(c, currencies=["QQQ"]), "/rails/0/currencies/0", "not an ISO 4217 currency"),
        (lambda c: rail(c, currencies=[]), "/rails/0/currencies", "too short|non-empty"),
        (lambda c: rail(c, lease_ms=999), "/rails/0/lease_ms", "minimum of 1000"),
        (lambda c: rail(c, lease_ms=600_001), "/rails/0/lease_ms", "maximum of 600000"),
        (lambda c: rail(c, settle_ms=-1), "/rails/0/settle_ms", "minimum of 0"),
        (lambda c: rail(c, retry_max=101), "/rails/0/retry_max", "maximum of 100"),
        (lambda c: rail(c, retry_max=-1), "/rails/0/retry_max", "minimum of 0"),
        (lambda c: rail(c, retry_base_ms=0), "/rails/0/retry_base_ms", "minimum of 1"),
        (lambda c: rail(c, retry_cap_ms=999), "/rails/0/retry_cap_ms", r"999 is below retry_base_ms .1000.$"),
        (lambda c: rail(c, enquiry_after_ms=[]), "/rails/0/enquiry_after_ms", "too short|non-empty"),
        (lambda c: rail(c, enquiry_after_ms=list(range(1, 12))), "/rails/0/enquiry_after_ms", "long"),
        (lambda c: rail(c, enquiry_after_ms=[5, 5]), "/rails/0/enquiry_after_ms/1", "not longer"),
        (lambda c: rail(c, enquiry_after_ms=[0]), "/rails/0/enquiry_after_ms/0", "minimum of 1"),
        (lambda c: rail(c, unit="ms"), "/rails/0", "'unit' was unexpected"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_by_its_pointer(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], pointer: str, said: str
) -> None:
    content = copy.deepcopy(demo())
    change(content)
    found = problems_of(tmp_path / "p.json", content)
    assert any(where == pointer and re.search(said, what) for where, what in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not one JSON text"),
        ("[]", "not of type 'object'"),
        ('{"version":1,"version":2}', "given twice"),
        ('{"version":NaN}', "NaN"),
        ("\ufeff{}", "byte order mark"),
        ("[" * 20 + "]" * 20, "nested deeper"),
    ],
)
def test_texts_that_are_no_policy_are_refused(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in what for _, what in problems_of(tmp_path / "p.json", text))


def test_all_faults_are_told_at_once_and_a_flood_is_cut(tmp_path: Path) -> None:
    content = demo()
    rail(content, lease_ms=1, settle_ms=-1)
    content["participants"] = [{"participant_id": "lower"} for _ in range(30)]
    found = problems_of_flood(tmp_path / "p.json", content)
    assert {"/rails/0/lease_ms", "/rails/0/settle_ms", "/participants/29"} <= {pointer for pointer, _ in found}


def problems_of_flood(path: Path, content: object) -> list[tuple[str, str]]:
    path.write_text(json.dumps(content))
    with pytest.raises(DocumentInvalid, match=r"and \d+ more$") as refusal:
        load_policy(path)
    assert len(str(refusal.value).splitlines()) == 27
    return refusal.value.problems


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentInvalid, match=r"none\.json has 1 problem.*\n.*No such file"):
        load_policy(tmp_path / "none.json")


def test_the_sandbox_rails_response_classes_are_valid() -> None:
    assert load_response_classes(SANDBOX).content["rail"] == "sandbox"


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        (lambda c: c["classes"].append(c["classes"][0]), "", "listed already"),
        (lambda c: c["classes"][0].update(answer_class="NOT_FOUND"), "/classes/0/answer_class", "A send"),
        (lambda c: c["classes"][0].update(phase="QUERY", answer_class="NOT_SENT"), "/classes/0/answer_class",
         "An enquiry may find"),
        (lambda c: c["classes"][0].update(phase="NONE"), "/classes/0/answer_class", "Without a call"),
        (lambda c: c["classes"][0].update(rail_code="A B"), "/classes/0/rail_code", "does not match"),
        (lambda c: c.update(classes=[]), "/classes", "too short|non-empty"),
        (lambda c: c.pop("owner"), "", "'owner' is a required property"),
    ],
)  # fmt: skip
def test_response_classes_that_contradict_themselves_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], pointer: str, said: str
) -> None:
    content = json.loads(SANDBOX.read_text())
    change(content)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DocumentInvalid) as refusal:
        load_response_classes(path)
    assert any(where.startswith(pointer) and re.search(said, what) for where, what in refusal.value.problems)


def objects(schema: object, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield at, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{at}/{name}")
    elif isinstance(schema, list):
        for position, inner in enumerate(schema):
            yield from objects(inner, f"{at}/{position}")


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schemas_are_valid_closed_finite_and_described(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    for at, part in objects(schema):
        match part.get("type"):
            case "object":
                assert part["additionalProperties"] is False, at
                # A policy from before aliases says nothing of them; what then holds stands in policy.list_proxy_rules.
                assert set(part["required"]) == set(part["properties"]) - {"proxy"}, at
            case "integer":
                assert {"minimum", "maximum"} <= set(part), at
            case "array":
                assert "maxItems" in part, at
            case "string":
                assert "maxLength" in part or re.search(r"\$$", part["pattern"]), at
        if at.rsplit("/", 1)[-1].endswith(("_ms", "_minor", "_max", "_cap")) and len(part) > 1:
            assert re.search(r"millisecond|minor unit|count", part["description"]), at


def test_check_prints_the_checksum_or_every_fault(tmp_path: Path) -> None:
    good = CliRunner().invoke(policy_group, ["check", str(DEMO)])
    assert (good.exit_code, good.stderr) == (0, "")
    assert load_policy(DEMO).sha256.hex() in good.stdout
    content = demo()
    rail(content, lease_ms=1)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(content))
    refused = CliRunner().invoke(policy_group, ["check", str(bad)])
    assert refused.exit_code == 1
    assert "/rails/0/lease_ms: 1 is less than the minimum of 1000 (Longest lease" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["halt", "--scope", "RAIL"], "--rail with --scope RAIL"),
        (["halt", "--scope", "GLOBAL", "--participant", "X"], "--participant with --scope PARTICIPANT"),
        (["halt", "--scope", "GLOBAL", "--direction", "SEND"], "needs --scope PARTICIPANT"),
        (["lift", "not-a-uuid"], "not a valid UUID"),
    ],
)
def test_wrong_options_are_usage_errors_before_any_connection(arguments: list[str], said: str) -> None:
    common = ["--reason", "r", "--operator", "o", "--database-url", "postgresql://127.0.0.1:1/none"]
    result = CliRunner().invoke(policy_group, [*arguments, *common])
    assert result.exit_code == 2
    assert said in result.stderr

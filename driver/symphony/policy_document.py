"""Policy documents, response classes, reason taxonomies as files: read strictly, checked whole, faults by pointer."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import rfc8785
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from symphony.errors import SymphonyError
from symphony.money import CURRENCIES
from symphony.strict_json import InvalidInput, read_json

_MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_MAX_SHOWN: Final = 25
type _Problem = tuple[str, str]


class DocumentInvalid(SymphonyError):
    """A document that cannot be used.

    Attributes:
        path: the file.
        problems: (RFC 6901 pointer, what is wrong and what is allowed), in the document's order.
    """

    def __init__(self, path: Path, problems: list[_Problem]) -> None:
        lines = [f"  {pointer or 'the document'}: {said}" for pointer, said in problems[:_MAX_SHOWN]]
        if len(problems) > _MAX_SHOWN:
            lines.append(f"  ... and {len(problems) - _MAX_SHOWN} more")
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__("\n".join([f"{path} has {count}; correct and check it again:", *lines]))
        self.path = path
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A document that passed every check; `sha256` is of its RFC 8785 form, as the database computes it."""

    content: dict[str, Any] = field(repr=False)
    version: int
    sha256: bytes


def load_policy(path: Path) -> Document:
    """Read and check a policy (policy.schema.json, then what a schema cannot say). Raises DocumentInvalid."""
    content = _read(path, "policy.schema.json")
    return _checked(path, content, list(_policy_problems(content)))


def load_response_classes(path: Path) -> Document:
    """Read and check a rail's response classes. Raises DocumentInvalid."""
    content = _read(path, "response_classes.schema.json")
    keys = [(entry["phase"], entry["rail_code"]) for entry in content["classes"]]
    problems = [(f"/classes/{n}", f"{' '.join(keys[n])} is listed already") for n in _repeated(keys)]
    return _checked(path, content, problems)


def load_reason_taxonomy(path: Path) -> Document:
    """Read and check a reason taxonomy. Raises DocumentInvalid."""
    content = _read(path, "reason_taxonomy.schema.json")
    codes = [entry["reason_code"] for entry in content["reasons"]]
    problems = [(f"/reasons/{n}/reason_code", f"{codes[n]} is listed already") for n in _repeated(codes)]
    return _checked(path, content, problems)


def _read(path: Path, schema: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DocumentInvalid(path, [("", f"cannot be read ({error.strerror})")]) from error
    if len(raw) > _MAX_FILE_BYTES:
        raise DocumentInvalid(path, [("", f"is longer than {_MAX_FILE_BYTES} bytes")])
    try:
        content = read_json(raw)
    except InvalidInput as error:
        raise DocumentInvalid(path, [(error.pointer, error.message)]) from error
    errors = sorted(_validator(schema).iter_errors(content), key=lambda error: list(map(str, error.path)))
    problems = [_told(error) for error in errors] or list(_unfit_values("", content))
    if problems or not isinstance(content, dict):
        raise DocumentInvalid(path, list(dict.fromkeys(problems)))
    return content


def _checked(path: Path, content: dict[str, Any], problems: list[_Problem]) -> Document:
    if problems:
        raise DocumentInvalid(path, problems)
    return Document(content, content["version"], hashlib.sha256(rfc8785.dumps(content)).digest())


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(files("symphony").joinpath(schema).read_text("utf-8")))


def _told(error: ValidationError) -> _Problem:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    pointer = "".join(f"/{step}" for step in steps)
    meaning = error.schema.get("description") if isinstance(error.schema, dict) else None
    said = error.message if len(error.message) <= 200 else f"{error.message[:200]}..."
    return pointer, f"{said} ({meaning})" if meaning else said


def _unfit_values(pointer: str, value: object) -> Iterator[_Problem]:
    """What JSON Schema lets through: 1.0 as an integer, and a line feed at the end of a string."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _unfit_values(f"{pointer}/{name}", member)
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from _unfit_values(f"{pointer}/{position}", member)
    elif isinstance(value, float):
        yield pointer, "must be written without a point or exponent"
    elif isinstance(value, str) and not value.isprintable():
        yield pointer, "holds a control character"


def _repeated(keys: list[Any]) -> list[int]:
    """The positions of keys that stand earlier in the list too."""
    seen: set[Any] = set()
    positions = []
    for n, key in enumerate(keys):
        if key in seen:
            positions.append(n)
        seen.add(key)
    return positions


def _policy_problems(content: dict[str, Any]) -> Iterator[_Problem]:
    zones = zoneinfo.available_timezones()
    if zones and content["time_zone"] not in zones:
        yield "/time_zone", f"{content['time_zone']} is not an IANA time zone (for example Africa/Lusaka)"
    participants, rails = content["participants"], content["rails"]
    for n in _repeated([participant["participant_id"] for participant in participants]):
        yield f"/participants/{n}/participant_id", f"{participants[n]['participant_id']} is listed already"
    for n in _repeated([rail["rail"] for rail in rails]):
        yield f"/rails/{n}/rail", f"{rails[n]['rail']} is listed already"
    names = {rail["rail"] for rail in rails}
    for n, participant in enumerate(participants):
        yield from _participant_problems(f"/participants/{n}", participant, names)
    for n, rail in enumerate(rails):
        yield from _rail_problems(f"/rails/{n}", rail)


def _participant_problems(at: str, participant: dict[str, Any], rails: set[str]) -> Iterator[_Problem]:
    for n, rail in enumerate(participant["rails"]):
        if rail not in rails:
            yield f"{at}/rails/{n}", f"{rail} is not among /rails"
    limits = participant["limits"]
    for n in _repeated([limit["currency"] for limit in limits]):
        yield f"{at}/limits/{n}/currency", f"{limits[n]['currency']} has limits already"
    for n, limit in enumerate(limits):
        if limit["currency"] not in CURRENCIES:
            yield (
                f"{at}/limits/{n}/currency",
                f"{limit['currency']} is not an ISO 4217 currency with minor units",
            )
        if int(limit["transaction_max_minor"]) > int(limit["day_value_max_minor"]):
            said = "is above day_value_max_minor, so it could never be reached"
            yield f"{at}/limits/{n}/transaction_max_minor", said


def _rail_problems(at: str, rail: dict[str, Any]) -> Iterator[_Problem]:
    for n, currency in enumerate(rail["currencies"]):
        if currency not in CURRENCIES:
            yield f"{at}/currencies/{n}", f"{currency} is not an ISO 4217 currency with minor units"
    if rail["retry_cap_ms"] < rail["retry_base_ms"]:
        yield f"{at}/retry_cap_ms", f"{rail['retry_cap_ms']} is below retry_base_ms ({rail['retry_base_ms']})"
    ladder = rail["enquiry_after_ms"]
    for n in range(1, len(ladder)):
        if ladder[n] <= ladder[n - 1]:
            yield (
                f"{at}/enquiry_after_ms/{n}",
                f"{ladder[n]} is not longer than the wait before it ({ladder[n - 1]})",
            )

"""The demonstration's payments by alias: what is sent, and whom the registry knows behind which number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from symphony.submission.entry import Ready
from symphony.submission.jsonl import read_jsonl
from symphony.submission.sample import write_jsonl

NUMBER: Final = "+260977000{:03d}"
"""Mobile numbers of a kind that can be searched for in a dump."""

_OFTEN: Final = 8
_TIMES: Final = 3
_WHILE_DOWN: Final = 60
_DIRECT: Final = 20
_NOBODYS: Final = NUMBER.format(999)


@dataclass(frozen=True, slots=True)
class AliasScript:
    """Three more files: payments by alias, more of them while the registry is down, and direct ones meanwhile.

    Attributes:
        payees: number to the registry's entry.
        alias_of: instruction id to number, for every payment by alias.
        stranger: the instruction whose number nobody has.
        while_down, direct: instruction ids, in the order sent.
    """

    known_file: Path
    while_down_file: Path
    direct_file: Path
    payees: dict[str, dict[str, Any]]
    alias_of: dict[str, str]
    stranger: str
    while_down: list[str]
    direct: list[str]
    wires: list[dict[str, Any]]

    @property
    def total(self) -> int:
        """How many instructions are in the three files."""
        return len(self.wires)


def write(directory: Path, *, rail: str) -> AliasScript:
    """Write the files."""
    often, rarely = (
        [NUMBER.format(n) for n in numbers] for numbers in (range(_OFTEN), range(_OFTEN, _OFTEN + _WHILE_DOWN))
    )
    known, while_down, direct = (directory / f"{name}.jsonl" for name in ("aliases", "aliases-while-down", "direct"))
    sent: list[list[dict[str, Any]]] = []
    for seed, path, aliases, count in (
        (2, known, [*often * _TIMES, _NOBODYS], _OFTEN * _TIMES + 1),
        (3, while_down, rarely, _WHILE_DOWN),
        (4, direct, [], _DIRECT),
    ):
        write_jsonl(path, count=count, seed=seed, rail=rail, aliases=aliases)
        with path.open("rb") as stream:
            sent.append([entry.wire for entry in read_jsonl(stream) if isinstance(entry, Ready)])
    by_alias = [*sent[0], *sent[1]]
    return AliasScript(
        known_file=known,
        while_down_file=while_down,
        direct_file=direct,
        payees={number: _entry(place, number) for place, number in enumerate([*often, *rarely])},
        alias_of={wire["instruction_id"]: wire["creditor"]["alias"]["value"] for wire in by_alias},
        stranger=sent[0][-1]["instruction_id"],
        while_down=[wire["instruction_id"] for wire in sent[1]],
        direct=[wire["instruction_id"] for wire in sent[2]],
        wires=[*by_alias, *sent[2]],
    )


def _entry(place: int, number: str) -> dict[str, Any]:
    return {
        "type": "MBNO",
        "value": number,
        "participant_id": ("ZM-BANK-B", "ZM-MOMO-C")[place % 2],
        "account": f"0020000000{place:03d}",
        "name": f"Fictional Payee {place}",
    }

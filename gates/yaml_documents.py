"""YAML that people write, read strictly: one document, no member twice, checked against its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from symphony.errors import SymphonyError

SCHEMAS = Path(__file__).resolve().parent


class InvalidDocument(SymphonyError, ValueError):
    """A document that is not what its schema says; the text names the file and the place."""


class _Strict(yaml.SafeLoader):
    """SafeLoader that refuses a member named twice and leaves dates as the text they are."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InvalidDocument(f"line {node.start_mark.line + 1}: {key!r} stands twice")
        return super().construct_mapping(node, deep=deep)


_Strict.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path, *, schema: str) -> Any:
    """Return the document in `path`, which `schema` (a file beside this module) allows.

    Raises:
        InvalidDocument: no YAML, a member twice, or not what the schema says.
        OSError: no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path.name}: it is not UTF-8") from error
    return parse(text, schema=schema, name=path.name)


def parse(text: str, *, schema: str, name: str) -> Any:
    """Return the document of a text; `name` is what errors call it. Raises InvalidDocument."""
    try:
        document = yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, InvalidDocument) as error:
        raise InvalidDocument(f"{name}: {' '.join(str(error).split())}") from error
    errors = sorted(_validator(schema).iter_errors(document), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        where = "/".join(map(str, errors[0].absolute_path)) or "the document"
        raise InvalidDocument(f"{name}: {where}: {errors[0].message}")
    return document


def _validator(schema: str) -> jsonschema.Draft202012Validator:
    loaded = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(loaded, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

"""Reads JSON and YAML files as plain data, follows references across files, and finds line numbers.

YAML follows the rules that OpenAPI recommends (the JSON subset of YAML 1.2): dates stay text, only `true` and `false`
are booleans, and keys are text. YAML 1.1 would turn a property named `no` into a boolean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

import yaml

from verifier import pointers
from verifier.errors import BadInput
from verifier.located import Located

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Loads scalars as in JSON; everything else is text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                problem = "a key must be a plain word" if not isinstance(key, yaml.ScalarNode) else "a key is repeated"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", [*"-+0123456789."]),
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("merge", r"<<", ["<"]),
)
for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def read(file: Path) -> Any:
    """The document in a file. Raises BadInput if it cannot be read or is neither JSON nor YAML."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput.one(file, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput.one(file, "is not UTF-8 text") from None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if file.suffix.lower() == ".json":
                message = f"is not valid JSON: {error.msg} (column {error.colno})"
                raise BadInput.one(file, message, line=error.lineno) from None
        except RecursionError:
            raise BadInput.one(file, "is nested too deeply") from None
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise BadInput.one(file, f"is not valid YAML: {problem}", line=mark.line + 1 if mark else 0) from None
    except (RecursionError, ValueError) as error:
        raise BadInput.one(file, f"cannot be read: {error}") from None


class Location(NamedTuple):
    """The place of a value: an absolute file and a JSON pointer into it ("" is the whole document)."""

    file: Path
    pointer: str

    def down(self, *names: str | int) -> Location:
        return Location(self.file, "/".join((self.pointer, *(pointers.escape(str(name)) for name in names))))


class Documents:
    """The file of a contract and the files that it refers to, each read once. Nothing is fetched from the network."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read: dict[Path, Any] = {}
        self.root = self._document(file)

    def _document(self, file: Path) -> Any:
        if file not in self._read:
            self._read[file] = read(file)
        return self._read[file]

    def bad(self, at: Location, message: str) -> BadInput:
        return BadInput.one(at.file, message, line=line_of(at.file, at.pointer), key=f"#{at.pointer}")

    def target(self, reference: object, at: Location) -> Location:
        """The place that a `$ref` at `at` refers to. Raises BadInput if it is not a file or a pointer."""
        if not isinstance(reference, str):
            raise self.bad(at, "$ref must be text")
        name, _, fragment = reference.partition("#")
        if "://" in name:
            raise self.bad(at, f"$ref {reference!r} leads to the network; only files beside the document are read")
        if fragment and not fragment.startswith("/"):
            raise self.bad(at, f"$ref {reference!r} is not a JSON pointer")
        file = at.file if not name else (at.file.parent / unquote(name)).resolve()
        return Location(file, unquote(fragment))

    def value(self, place: Location, at: Location) -> Any:
        """The value at a place. If there is none, the error names `at`."""
        value = self._document(place.file) if place.file in self._read or place.file.is_file() else None
        if value is None:
            raise self.bad(at, f"$ref leads to the missing file {place.file.name}")
        value = pointers.value_at(value, place.pointer)
        if value is pointers.MISSING:
            raise self.bad(at, f"$ref leads nowhere: {place.file.name}#{place.pointer}")
        return value

    def follow(self, value: Any, at: Location) -> tuple[Any, Location]:
        """The value after following all `$ref`s, and its place. Raises BadInput for a circle."""
        seen = {at}
        while isinstance(value, dict) and "$ref" in value:
            target = self.target(value["$ref"], at)
            value = self.value(target, at)
            if target in seen:
                raise self.bad(at, "$ref leads back to itself")
            seen.add(target)
            at = target
        return value, at


def line_of(file: Path, pointer: str) -> int:
    """The line (from 1) of the value at a JSON pointer, or of its nearest parent; 0 if the file is unreadable."""
    node = _node(file, pointer)
    return node.start_mark.line + 1 if node else 0


def located(file: Path, pointer: str, value: Any) -> Located:
    """The value as `Located`. It has line numbers if the file can be read as YAML."""
    return _located(str(file), _node(file, pointer), value, pointer.strip("/").replace("/", "."))


def _located(file: str, node: yaml.Node | None, value: Any, key: str) -> Located:
    line = node.start_mark.line + 1 if node else 0
    inner = dict(_children(node))
    if isinstance(value, dict):
        made = {k: _located(file, inner.get(k), item, f"{key}.{k}" if key else k) for k, item in value.items()}
        return Located(made, file, line, key)
    if isinstance(value, list):
        return Located(
            [_located(file, inner.get(str(i)), v, f"{key}[{i}]") for i, v in enumerate(value)], file, line, key
        )
    return Located(value, file, line, key)


def _node(file: Path, pointer: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(file.read_text(encoding="utf-8-sig"), _Loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    for name in pointers.names(pointer):
        below = dict(_children(node)).get(name)
        if below is None:
            break
        node = below
    return node


def _children(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(index), value) for index, value in enumerate(node.value))

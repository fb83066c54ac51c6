"""Reads JSON and YAML files as plain data, follows references across files, and finds line numbers.

YAML follows the rules that OpenAPI recommends (the JSON subset of YAML 1.2): dates stay text, only `true` and `false`
are booleans, and keys are text. YAML 1.1 would turn a property named `no` into a boolean.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

import yaml

from verifier import pointers
from verifier.errors import BadInput
from verifier.files import NO_FILE, exists, is_file, read_text, resolved
from verifier.located import Located
from verifier.yaml_nodes import Base, Names, Nodes, names_at, unusable

LARGEST = 64 * 1024 * 1024  # bytes of a document
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F]"
_LONE_SURROGATE = re.compile(rf"{_HIGH}(?!{_LOW})|(?<!\\u[dD][89abAB]..){_LOW}")


class _Loader(Base):  # type: ignore[misc]
    """Resolves scalars as in JSON; everything else is text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


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
    text = read_text(file, LARGEST, lambda text, line: _pointed(names_at(text, line)))
    try:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return _usable(file, *_parsed(text), text)
            except ValueError as error:
                if file.suffix.lower() == ".json":
                    raise _not_json(file, text, error) from None
        nodes = Nodes(file, text, _Loader, _pointed)
        return _plain(nodes, nodes.root, (), {})
    except RecursionError:
        raise BadInput.one(file, "is nested too deeply") from None


def _no_json(value: object) -> str:
    """Why a value cannot be part of a document; "" if it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    if not isinstance(value, str | int | float | list | dict | None):
        return f"is no JSON value: {type(value).__name__}"
    return unusable(value)


def _pointed(names: Names) -> str:
    pointer = "".join(f"/{pointers.escape(str(name))}" for name in names)
    return f"#{pointer}" if pointer else ""


def _not_json(file: Path, text: str, error: ValueError) -> BadInput:
    if isinstance(error, json.JSONDecodeError):
        return BadInput.one(file, f"is not valid JSON: {error.msg} (column {error.colno})", line=error.lineno)
    digits = re.search(rf"[0-9]{{{sys.get_int_max_str_digits()}}}", text)  # the other reason of the parser
    line = text.count("\n", 0, digits.start()) + 1 if digits else 0
    return BadInput.one(file, "is too large a number" if digits else f"is not valid JSON: {error}", line=line)


def _parsed(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, and whether it may have parts that JSON cannot hold. Raises ValueError."""
    suspicious = _LONE_SURROGATE.search(text) is not None

    def number(digits: str) -> int | float:
        nonlocal suspicious
        value = int(digits) if digits.lstrip("-").isdigit() else float(digits)
        suspicious = suspicious or bool(_no_json(value))
        return value

    return json.loads(text, parse_int=number, parse_float=number, parse_constant=number), suspicious


def _usable(file: Path, document: Any, suspicious: bool, text: str) -> Any:
    """The document. Raises BadInput for half of a surrogate pair, and for a number that JSON cannot hold."""
    waiting: list[tuple[Names, Any]] = [((), document)] if suspicious else []
    while waiting:
        names, value = waiting.pop()
        for part in (*value, value) if isinstance(value, dict) else (value,):
            if problem := _no_json(part):
                key = _pointed(names)
                raise BadInput.one(file, problem, line=line_of(file, key[1:]) or 1, key=key)
        below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += (((*names, name), inner) for name, inner in below)
    return document


def _plain(nodes: Nodes, node: yaml.Node, names: Names, known: dict[int, Any]) -> Any:
    """The value of a node. The nodes of an alias become one value."""
    if isinstance(node, yaml.ScalarNode):
        value = nodes.scalar(node, names)
        if problem := _no_json(value):
            raise nodes.bad(node, names, problem)
        return value
    if id(node) not in known:
        items = [(name, _plain(nodes, inner, (*names, name), known)) for name, inner in nodes.below(node, names)]
        known[id(node)] = dict(items) if isinstance(node, yaml.MappingNode) else [inner for _, inner in items]
    return known[id(node)]


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
        file = at.file if not name else resolved(at.file.parent, unquote(name))
        if file is None:
            raise self.bad(at, f"$ref leads to the missing file {unquote(name)}")
        return Location(file, unquote(fragment))

    def value(self, place: Location, at: Location) -> Any:
        """The value at a place. If there is none, the error names `at`."""
        if place.file not in self._read and not is_file(place.file):
            what = f"what is {NO_FILE}:" if exists(place.file) else "the missing file"
            raise self.bad(at, f"$ref leads to {what} {place.file.name}")
        value = pointers.value_at(self._document(place.file), place.pointer)
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
        node: yaml.Node | None = yaml.compose(read_text(file, LARGEST), _Loader)
    except (BadInput, ValueError, yaml.YAMLError, RecursionError):
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

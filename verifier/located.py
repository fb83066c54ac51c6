"""YAML with positions: every mapping, sequence and scalar has its file, line and key.

Readers take values through `Reader`, which collects every problem instead of stopping at the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from verifier.errors import BadInput, Problem
from verifier.files import NO_FILE, exists, is_file, is_folder, read_text, resolved
from verifier.printable import quoted
from verifier.yaml_nodes import Base, Names, Nodes, dotted, names_at

LONGEST = 366 * 86400.0  # seconds; what takes longer is a slip
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
LARGEST = 8 * 1024 * 1024  # bytes of a matrix or of guarantees
NO_SUCH_FILE = "there is no file "


@dataclass(frozen=True, slots=True)
class Located:
    """A YAML value with its place. `value` is a dict of Located, a list of Located or a scalar."""

    value: Any
    file: str
    line: int
    key: str

    def __repr__(self) -> str:
        """Its value's, so that a message with a nested value shows what the file says."""
        return repr(self.value)

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


def load(file: Path) -> Located:
    """Read one YAML document. Raises BadInput if it cannot be read, is not YAML, or repeats a key."""
    nodes = Nodes(file, read_text(file, LARGEST, lambda text, line: dotted(names_at(text, line))), Base)
    try:
        return _located(nodes, nodes.root, ())
    except RecursionError:
        raise BadInput.one(file, "is nested too deeply") from None


def load_all(file: Path) -> list[Located]:
    """Read all YAML documents of a file, without empty ones. Raises BadInput as `load` does."""
    found, text = [], read_text(file, LARGEST)
    begins = [0, *(match.start() for match in _DOCUMENT.finditer(text))]
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        part = text[begin:end]
        if any(line.strip() and not line.startswith(("#", "---", "%")) for line in part.splitlines()):
            nodes = Nodes(
                file, "\n" * text.count("\n", 0, begin) + part, Base
            )  # so that its lines are those of the file
            try:
                found.append(_located(nodes, nodes.root, ()))
            except RecursionError:
                raise BadInput.one(file, "is nested too deeply") from None
    return found


def _located(nodes: Nodes, node: yaml.Node, names: Names) -> Located:
    """The value of a node. Aliases are followed."""
    line, file, key = node.start_mark.line + 1, str(nodes.file), dotted(names)
    if isinstance(node, yaml.MappingNode):
        items: dict[str, Located] = {}
        for key_node, value_node in nodes.items(node, names):
            inner = _located(nodes, value_node, (*names, key_node.value))
            items[key_node.value] = Located(inner.value, file, key_node.start_mark.line + 1, inner.key)
        return Located(items, file, line, key)
    if isinstance(node, yaml.SequenceNode):
        return Located([_located(nodes, item, (*names, at)) for at, item in enumerate(node.value)], file, line, key)
    return Located(nodes.scalar(node, names), file, line, key)


@dataclass(slots=True)
class Reader:
    """Reads typed values from Located mappings and collects the problems."""

    problems: list[Problem] = field(default_factory=list)

    def problem(self, at: Located, message: str) -> None:
        self.problems.append(Problem(at.file, at.line, at.key, message))

    def finish(self) -> None:
        if self.problems:
            raise BadInput(sorted(set(self.problems)))

    def mapping(self, at: Located | None, known: Iterable[str] | None = None) -> dict[str, Located]:
        """The items of a mapping. With `known`, any other key is a problem; the message suggests a known one."""
        if at is None:
            return {}
        if not isinstance(at.value, dict):
            self.problem(at, f"must be a mapping, not {_kind(at.value)}")
            return {}
        if known is not None:
            names = list(known)
            for name, item in at.value.items():
                if name not in names:
                    close = difflib.get_close_matches(name, names, 1)
                    hint = f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(sorted(names))}"
                    self.problem(item, f"unknown key {quoted(name)}{hint}")
        return at.value

    def items(self, at: Located | None) -> list[Located]:
        if at is None:
            return []
        if not isinstance(at.value, list):
            self.problem(at, f"must be a list, not {_kind(at.value)}")
            return []
        return at.value

    def text(self, at: Located | None, default: str = "") -> str:
        """A string. Numbers are converted to text, and a boolean is a problem."""
        if at is None:
            return default
        if isinstance(at.value, str):
            if "\0" in at.value:
                self.problem(at, "must not contain a NUL character")
                return default
            return at.value
        if isinstance(at.value, int | float) and not isinstance(at.value, bool):
            return str(at.value)
        self.problem(at, f"must be text, not {_kind(at.value)}")
        return default

    def file(self, at: Located | None, folder: Path) -> Path | None:
        """A path, relative to `folder`, of an existing file."""
        if at is None:
            return None
        known = len(self.problems)
        name = self.text(at)
        path = resolved(folder, name)
        if is_file(path):
            return path
        if len(self.problems) == known:
            self.problem(at, f"{NO_SUCH_FILE}{path or folder / name}" + (f": {NO_FILE}" if exists(path) else ""))
        return None

    def folder(self, at: Located, folder: Path, what: str = "folder") -> Path:
        """A path, relative to `folder`, of an existing folder; `folder` itself if there is none."""
        known = len(self.problems)
        name = self.text(at)
        path = resolved(folder, name)
        if path is not None and is_folder(path):
            return path
        if len(self.problems) == known:
            self.problem(at, f"there is no {what} {path or folder / name}")
        return folder

    def whole(self, at: Located | None, default: int, least: int = 0, most: int | None = None) -> int:
        if at is None:
            return default
        value = at.value
        if not isinstance(value, int) or isinstance(value, bool):
            self.problem(at, f"must be a whole number, not {_kind(value)}")
            return default
        if value < least or (most is not None and value > most):
            self.problem(at, f"must be at least {least}" + (f" and at most {most}" if most is not None else ""))
            return default
        return value

    def seconds(self, at: Located | None, default: float, above: float | None = None) -> float:
        """A duration: a number of seconds, or `250ms`, `10s`, `5m`, `1h`, at most a year; longer than `above`."""
        if at is None:
            return default
        value = parse_seconds(at.value)
        if value is None:
            self.problem(at, f"must be a duration such as 500ms, 10s or 5m, not {quoted(at.value)}")
            return default
        if above is not None and value <= above:
            self.problem(at, f"must be more than {above:g}")
            return default
        return value

    def choice(self, at: Located | None, options: Iterable[str], default: str) -> str:
        if at is None:
            return default
        allowed = list(options)
        if at.value not in allowed:
            self.problem(at, f"must be one of {', '.join(allowed)}, not {quoted(at.value)}")
            return default
        return str(at.value)

    def texts(self, at: Located | None) -> tuple[str, ...]:
        return tuple(self.text(item) for item in self.items(at))

    def pairs(self, at: Located | None) -> tuple[tuple[str, str], ...]:
        """A mapping of names to scalars, such as an environment. Booleans become true and false, as in Compose."""
        found = []
        for name, item in self.mapping(at).items():
            value = item.value
            text = str(value).lower() if isinstance(value, bool) else "" if value is None else self.text(item)
            found.append((name, text))
        return tuple(found)


def parse_seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value <= LONGEST else None
    if isinstance(value, str):
        for suffix, scale in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
            if value.endswith(suffix):
                try:
                    number = float(value[: -len(suffix)].strip())
                except ValueError:
                    continue
                return number * scale if 0 <= number * scale <= LONGEST else None
    return None


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    names: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "true or false",
                              int: "a number", float: "a number"}  # fmt: skip
    return names.get(type(value), type(value).__name__)


def walk(at: Located) -> Iterator[Located]:
    """The value and everything inside it, outermost first."""
    yield at
    inner = at.value.values() if isinstance(at.value, dict) else at.value if isinstance(at.value, list) else ()
    for item in inner:
        yield from walk(item)

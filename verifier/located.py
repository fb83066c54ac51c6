"""YAML with positions: every mapping, sequence and scalar has its file, line and key.

Readers take values through `Reader`, which collects every problem instead of stopping at the first.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from verifier.errors import BadInput, Problem

MOST_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Located:
    """A YAML value with its place. `value` is a dict of Located, a list of Located or a scalar."""

    value: Any
    file: str
    line: int
    key: str

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


def load(file: Path) -> Located:
    """Read one YAML document. Raises BadInput if it cannot be read, is not YAML, or repeats a key."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput.one(file, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput.one(file, "is not UTF-8 text") from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise BadInput.one(file, "is empty")
        return _Locator(loader, str(file)).locate(node, "")
    except RecursionError:
        raise BadInput.one(file, "is nested too deeply") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        raise BadInput.one(file, f"is not valid YAML: {message}", line=mark.line + 1 if mark else 0) from None


@dataclass(slots=True)
class _Locator:
    """Turns the nodes of one document into values. Aliases are followed, up to MOST_VALUES values in total."""

    loader: yaml.SafeLoader
    file: str
    count: int = 0
    checked: set[int] = field(default_factory=set)
    above: set[int] = field(default_factory=set)

    def locate(self, node: yaml.Node, key: str) -> Located:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > MOST_VALUES:
            raise BadInput.one(self.file, f"stands for too many values: more than {MOST_VALUES}")
        if id(node) in self.above:
            raise BadInput.one(self.file, "an alias that contains itself", line=line, key=key)
        self.above.add(id(node))
        value = self._value(node, key, line)
        self.above.discard(id(node))
        return Located(value, self.file, line, key)

    def _value(self, node: yaml.Node, key: str, line: int) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._items(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.locate(item, f"{key}[{i}]") for i, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # the text does not fit its tag
            raise BadInput.one(self.file, f"is not valid YAML: {error}", line=line, key=key) from None

    def _items(self, node: yaml.MappingNode, key: str) -> dict[str, Located]:
        self._check_keys(node, key)
        self.loader.flatten_mapping(node)  # merged keys come first, so that explicit keys replace them
        items: dict[str, Located] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadInput.one(self.file, "a key must be a plain word", line=key_node.start_mark.line + 1, key=key)
            name = key_node.value
            inner = self.locate(value_node, f"{key}.{name}" if key else name)
            items[name] = Located(inner.value, self.file, key_node.start_mark.line + 1, inner.key)
        return items

    def _check_keys(self, node: yaml.MappingNode, key: str) -> None:
        """Raise BadInput for a repeated key. Called before `<<` merges, which may repeat keys."""
        if id(node) in self.checked:
            return
        self.checked.add(id(node))
        seen = set()
        for key_node, _ in node.value:
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if name in seen:
                line = key_node.start_mark.line + 1
                raise BadInput.one(self.file, f"the key {name!r} is repeated", line=line, key=key)
            if name is not None:
                seen.add(name)


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
                    self.problem(item, f"unknown key {name!r}{hint}")
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
            return at.value
        if isinstance(at.value, int | float) and not isinstance(at.value, bool):
            return str(at.value)
        self.problem(at, f"must be text, not {_kind(at.value)}")
        return default

    def file(self, at: Located | None, folder: Path) -> Path | None:
        """A path, relative to `folder`, of an existing file."""
        if at is None:
            return None
        path = (folder / self.text(at)).resolve()
        if not path.is_file():
            self.problem(at, f"there is no file {path}")
            return None
        return path

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

    def seconds(self, at: Located | None, default: float) -> float:
        """A duration: a number of seconds, or `250ms`, `10s`, `5m`, `1h`."""
        if at is None:
            return default
        value = parse_seconds(at.value)
        if value is None:
            self.problem(at, f"must be a duration such as 500ms, 10s or 5m, not {at.value!r}")
            return default
        return value

    def choice(self, at: Located | None, options: Iterable[str], default: str) -> str:
        if at is None:
            return default
        allowed = list(options)
        if at.value not in allowed:
            self.problem(at, f"must be one of {', '.join(allowed)}, not {at.value!r}")
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
        return float(value) if 0 <= value < math.inf else None
    if isinstance(value, str):
        for suffix, scale in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
            if value.endswith(suffix):
                try:
                    number = float(value[: -len(suffix)].strip())
                except ValueError:
                    continue
                return number * scale if 0 <= number < math.inf else None
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

"""One YAML document as nodes: with bounded aliases, merged and unique keys, and every mistake with line and key.

`located` makes positions of the nodes, and contracts make plain values of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from verifier.errors import BadInput
from verifier.printable import quoted

MOST_VALUES = 1_000_000  # that the aliases of a document may make of it
_MOST_DIGITS = 308  # decimal digits that a double can hold
Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Names = tuple[str | int, ...]  # keys and positions on the way to a value, the outermost first
Items = list[tuple[yaml.ScalarNode, yaml.Node]]


def dotted(names: Names) -> str:
    """`services.orders.stop` or `traffic[0].recording`."""
    key = ""
    for name in names:
        key += f"[{name}]" if isinstance(name, int) else f".{name}" if key else name
    return key


class Nodes:
    """The nodes of one document. `written` writes the way to a value as the key of a problem.

    Raises BadInput if the text is not YAML, repeats a key, or stands for too many values by its aliases.
    """

    def __init__(self, file: Path, text: str, loader: Any, written: Callable[[Names], str] = dotted) -> None:
        self.file = file
        self._text = text
        self._written = written
        self._merged: dict[int, Items] = {}
        self._sizes: dict[int, int] = {}
        self._above: set[int] = set()
        try:
            self._loader = loader(text)
            root = self._loader.get_single_node()
            if root is None:
                raise BadInput.one(file, "is empty")
            self.root: yaml.Node = root
            self._check_size()
        except RecursionError:
            raise BadInput.one(file, "is nested too deeply") from None
        except yaml.YAMLError as error:
            raise self._not_yaml(error) from None

    def bad(self, node: yaml.Node, names: Names, message: str) -> BadInput:
        return BadInput.one(self.file, message, line=node.start_mark.line + 1, key=self._written(names))

    def scalar(self, node: yaml.Node, names: Names) -> Any:
        """The value of a scalar. Raises BadInput if the text does not fit its tag, or is a number without bounds."""
        try:
            value = self._loader.construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            message = f"is not valid YAML: {quoted(node.value)} does not fit the tag {quoted(node.tag)}"
            raise self.bad(node, names, message) from None
        except yaml.YAMLError as error:
            raise self.bad(node, names, f"is not valid YAML: {getattr(error, 'problem', None) or error}") from None
        if problem := unusable(value):
            raise self.bad(node, names, problem)
        return value

    def items(self, node: yaml.MappingNode, names: Names) -> Items:
        """The items of a mapping with those that `<<` merges. Explicit keys replace merged ones."""
        if id(node) in self._merged:
            return self._merged[id(node)]
        if id(node) in self._above:
            raise self.bad(node, names, "an alias that contains itself")
        self._above.add(id(node))
        found: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        for key, value in self._merges(node, names):
            found.setdefault(key.value, (key, value))
        own: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.bad(key, names, "a key must be a plain word")
            if _merges_others(key):
                continue
            if key.value in own:
                raise self.bad(key, names, f"the key {quoted(key.value)} is repeated")
            if problem := unusable(key.value):
                raise self.bad(key, names, problem)
            own.add(key.value)
            found[key.value] = (key, value)
        self._above.discard(id(node))
        self._merged[id(node)] = list(found.values())
        return self._merged[id(node)]

    def _merges(self, node: yaml.MappingNode, names: Names) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not _merges_others(key):
                continue
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(merged, yaml.MappingNode):
                    raise self.bad(merged, names, "is not valid YAML: << must stand before a mapping or a list of them")
                yield from self.items(merged, names)

    def below(self, node: yaml.Node, names: Names) -> Iterator[tuple[str | int, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            yield from ((key.value, value) for key, value in self.items(node, names))
        elif isinstance(node, yaml.SequenceNode):
            yield from enumerate(node.value)

    def _check_size(self) -> None:
        """Raise BadInput if aliases make a small document stand for a huge one. Each node is counted once."""
        size = self._size(self.root, ())
        if size > max(MOST_VALUES, 2 * len(self._sizes)):
            raise BadInput.one(self.file, f"stands for too many values: more than {MOST_VALUES}")

    def _size(self, node: yaml.Node, names: Names) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in self._sizes:
            if id(node) in self._above:
                raise self.bad(node, names, "an alias that contains itself")
            below = list(self.below(node, names))
            self._above.add(id(node))
            self._sizes[id(node)] = 1 + sum(self._size(inner, (*names, name)) for name, inner in below)
            self._above.discard(id(node))
        return self._sizes[id(node)]

    def _not_yaml(self, error: yaml.YAMLError) -> BadInput:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is not None:
            line, message = mark.line + 1, getattr(error, "problem", None) or getattr(error, "context", None)
        elif found := yaml.reader.Reader.NON_PRINTABLE.search(self._text):
            line = self._text.count("\n", 0, found.start()) + 1
            message = f"the character {found[0]!r} is not allowed"
        else:
            line, message = 0, None
        key = self._written(names_at(self._text, line)) if line else ""
        if message and "nesting depth" in message:
            return BadInput.one(self.file, "is nested too deeply", line=line, key=key)
        return BadInput.one(self.file, f"is not valid YAML: {message or error}", line=line, key=key)


def unusable(value: object) -> str:
    """Why no reader takes a scalar; "" if it may be used."""
    if isinstance(value, int) and value.bit_length() > _MOST_DIGITS * math.log2(10):
        return "is too large a number"
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "is not Unicode text: half of a surrogate pair"
    return ""


def _merges_others(key: yaml.ScalarNode) -> bool:
    return bool(key.tag == "tag:yaml.org,2002:merge")


def names_at(text: str, line: int) -> Names:
    """The way to the last value that begins on a line (from 1) or before it, in a text that need not be whole YAML."""
    open_: list[str | int | None] = []  # the key of each open mapping, None before it; the position in each open list
    found: Names = ()
    try:
        for event in yaml.parse(text, Base):
            mark = event.start_mark
            if mark is not None and mark.line + 1 > line:
                break
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                open_.pop()
                _next(open_)
            elif isinstance(event, yaml.NodeEvent):
                if open_ and open_[-1] is None and isinstance(event, yaml.ScalarEvent):
                    open_[-1] = event.value
                    found = tuple(name for name in open_ if name is not None)
                    continue
                found = tuple(name for name in open_ if name is not None)
                if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                    open_.append(None if isinstance(event, yaml.MappingStartEvent) else 0)
                else:
                    _next(open_)
    except (yaml.YAMLError, RecursionError):
        pass
    return found


def _next(open_: list[str | int | None]) -> None:
    """A value has ended: the next one of its list is at the next position, and of its mapping has another key."""
    if open_:
        open_[-1] = open_[-1] + 1 if isinstance(open_[-1], int) else None

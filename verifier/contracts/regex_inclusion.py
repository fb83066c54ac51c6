"""Inclusion of regular string languages: is every string that the writer may send matched by the reader?

Patterns become Thompson automata (Thompson 1968) over intervals of code points; inclusion is decided on the fly by
the subset construction (Rabin and Scott 1959) of the product, breadth first, so that a counterexample is a shortest
one. JSON Schema searches: a pattern matches anywhere unless anchored. To treat anchors as ordinary symbols the text
is read between two marks: `^` consumes the first, `$` the second.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_PARSER: Any = re._parser
_MOST = 0x10FFFF
_BEGIN, _END = -2, -1
_STATES = 5_000  # the search gives up beyond this many product states
_REPEATS = 300
_DIGITS = [(48, 57)]
_WORDS = [(48, 57), (65, 90), (95, 95), (97, 122)]
# ECMA-262 white space and line terminators, the meaning of \s in JSON Schema.
_SPACES = [(9, 13), (32, 32), (160, 160), (5760, 5760), (8192, 8202), (8232, 8233), (8239, 8239), (8287, 8287),
           (12288, 12288), (65279, 65279)]  # fmt: skip
_LINES = [(10, 10), (13, 13), (8232, 8233)]
_CATEGORIES = {"CATEGORY_DIGIT": _DIGITS, "CATEGORY_WORD": _WORDS, "CATEGORY_SPACE": _SPACES}

Ranges = list[tuple[int, int]]


class Unsupported(ValueError):
    """A pattern that is not regular, or whose automaton would be too large."""


@dataclass(frozen=True, slots=True)
class Strings:
    """All strings that match every pattern and have a length in the window (characters, inclusive)."""

    patterns: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None


@dataclass(slots=True)
class _Automaton:
    """An automaton that starts in state 0. `moves[s]` are (low, high, target); `jumps[s]` need no symbol."""

    moves: list[list[tuple[int, int, int]]] = field(default_factory=lambda: [[]])
    jumps: list[list[int]] = field(default_factory=lambda: [[]])
    final: int = 0

    def state(self) -> int:
        if len(self.moves) > _STATES:
            raise Unsupported("too large")
        self.moves.append([])
        self.jumps.append([])
        return len(self.moves) - 1

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        reached = set(states)
        waiting = list(reached)
        while waiting:
            for target in self.jumps[waiting.pop()]:
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)

    def marked(self, states: frozenset[int], mark: int) -> frozenset[int]:
        """After one mark or more: as many as there are anchors to consume them."""
        reached = self.step(states, mark)
        while (more := reached | self.step(reached, mark)) != reached:
            reached = more
        return reached

    def step(self, states: frozenset[int], symbol: int) -> frozenset[int]:
        return self.closure({t for s in states for low, high, t in self.moves[s] if low <= symbol <= high})


def _compile(pattern: str) -> _Automaton:
    if len(pattern) > _STATES:
        raise Unsupported("too long")
    try:
        parsed = _PARSER.parse(_python(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise Unsupported(str(error)) from None
    if parsed.state.flags & ~re.UNICODE:
        raise Unsupported("inline flags")
    _anchors(parsed)
    automaton = _Automaton()
    automaton.moves[0].append((_BEGIN, _MOST, 0))  # anything may come before the match
    end = _sequence(automaton, parsed, 0)
    automaton.final = automaton.state()
    automaton.jumps[end].append(automaton.final)
    automaton.moves[automaton.final].append((_BEGIN, _MOST, automaton.final))  # and after it
    return automaton


def _anchors(parsed: Iterable[tuple[Any, Any]]) -> tuple[bool, bool]:
    """Whether `^` and `$` occur. A `^` after a `$` is not supported, because the marks are read in order."""
    begins = ends = False
    for operator, argument in parsed:
        name = str(operator)
        begin, end = str(argument).startswith("AT_BEGINNING"), str(argument).startswith("AT_END")
        if name == "BRANCH":
            found = [_anchors(branch) for branch in argument[1]]
            begin, end = any(one for one, _ in found), any(other for _, other in found)
        elif name == "SUBPATTERN" or name.endswith("_REPEAT"):
            begin, end = _anchors(argument[-1])
            if begin and end and name != "SUBPATTERN":
                raise Unsupported("repeated anchors")
        if ends and begin:
            raise Unsupported("^ behind $")
        begins, ends = begins or begin, ends or end
    return begins, ends


def _python(pattern: str) -> str:
    """Replace ECMA syntax that Python's parser does not know."""
    return re.sub(r"\\u\{([0-9A-Fa-f]+)\}", lambda m: f"\\U{int(m[1], 16):08x}", pattern).replace(r"\/", "/")


def _sequence(automaton: _Automaton, parsed: Iterable[tuple[Any, Any]], start: int) -> int:
    for operator, argument in parsed:
        start = _element(automaton, str(operator), argument, start)
    return start


def _element(automaton: _Automaton, operator: str, argument: Any, start: int) -> int:
    if operator in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = argument
        return _repeat(automaton, least, most, inner, start)
    if operator == "SUBPATTERN":
        _, added, removed, inner = argument
        if added or removed:
            raise Unsupported("inline flags")
        return _sequence(automaton, inner, start)
    if operator == "BRANCH":
        end = automaton.state()
        for branch in argument[1]:
            begin = automaton.state()
            automaton.jumps[start].append(begin)
            automaton.jumps[_sequence(automaton, branch, begin)].append(end)
        return end
    end = automaton.state()
    for low, high in _symbols(operator, argument):
        automaton.moves[start].append((low, high, end))
    return end


def _symbols(operator: str, argument: Any) -> Ranges:
    if operator == "LITERAL":
        return [(argument, argument)]
    if operator == "NOT_LITERAL":
        return _inverted([(argument, argument)])
    if operator == "ANY":
        return _inverted(_LINES)
    if operator == "IN":
        return _class(argument)
    if operator == "AT" and str(argument) in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return [(_BEGIN, _BEGIN)]
    if operator == "AT" and str(argument) in ("AT_END", "AT_END_STRING"):
        return [(_END, _END)]
    raise Unsupported(f"{operator} is not regular")


def _repeat(automaton: _Automaton, least: int, most: Any, inner: Any, start: int) -> int:
    unbounded = str(most) == "MAXREPEAT"
    if least > _REPEATS or (not unbounded and most > _REPEATS):
        raise Unsupported("too many repeats")
    for _ in range(least):
        start = _sequence(automaton, inner, start)
    if unbounded:
        loop = automaton.state()
        automaton.jumps[start].append(loop)
        automaton.jumps[_sequence(automaton, inner, loop)].append(loop)
        return loop
    end = automaton.state()
    automaton.jumps[start].append(end)
    for _ in range(most - least):
        begin = automaton.state()
        automaton.jumps[start].append(begin)
        start = _sequence(automaton, inner, begin)
        automaton.jumps[start].append(end)
    return end


def _class(items: Sequence[tuple[Any, Any]]) -> Ranges:
    ranges: Ranges = []
    negated = False
    for operator, argument in items:
        name = str(operator)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            ranges.append((argument, argument))
        elif name == "RANGE":
            ranges.append(tuple(argument))
        elif name == "CATEGORY":
            category = str(argument)
            inverse = category.replace("_NOT_", "_")
            if inverse not in _CATEGORIES:
                raise Unsupported(category)
            ranges.extend(_CATEGORIES[category] if category in _CATEGORIES else _inverted(_CATEGORIES[inverse]))
        else:
            raise Unsupported(name)
    return _inverted(ranges) if negated else ranges


def _inverted(ranges: Ranges) -> Ranges:
    result, low = [], 0
    for first, last in sorted(ranges):
        if first > low:
            result.append((low, first - 1))
        low = max(low, last + 1)
    if low <= _MOST:
        result.append((low, _MOST))
    return result


def counterexample(writer: Strings, reader: Strings) -> str | None:
    """A shortest string that the writer may send and the reader rejects, or None. Raises Unsupported."""
    sides = [_compile(pattern) for pattern in (*writer.patterns, *reader.patterns)]
    split = len(writer.patterns)
    longest = max([writer.least, reader.least, writer.most or 0, reader.most or 0]) + 1
    if longest > 2 * _REPEATS:
        raise Unsupported("lengths are too large to count")
    symbols = _representatives(sides)
    start = tuple(side.marked(side.closure([0]), _BEGIN) for side in sides)
    seen = {(start, 0)}
    waiting = deque([(start, 0, "")])
    while waiting:
        states, length, text = waiting.popleft()
        ends = [side.final in side.marked(now, _END) for side, now in zip(sides, states, strict=True)]
        if all(ends[:split]) and _within(writer, length) and not (all(ends[split:]) and _within(reader, length)):
            return text
        if (writer.most is not None and length >= writer.most) or not all(states[:split]):
            continue
        for symbol in symbols:
            following = tuple(side.step(now, symbol) for side, now in zip(sides, states, strict=True))
            key = (following, min(length + 1, longest))
            if all(following[:split]) and key not in seen:
                if len(seen) >= _STATES:
                    raise Unsupported("too many states")
                seen.add(key)
                waiting.append((following, key[1], text + chr(symbol)))
    return None


def _within(window: Strings, length: int) -> bool:
    return window.least <= length and (window.most is None or length <= window.most)


def _representatives(sides: Iterable[_Automaton]) -> list[int]:
    """One code point for each class of code points that all automata treat alike. Readable ones are preferred."""
    borders = {0, 0xD800, 0xE000, _MOST + 1}
    for side in sides:
        for moves in side.moves:
            for low, high, _ in moves:
                borders.update(border for border in (low, high + 1) if 0 <= border <= _MOST)
    ordered = sorted(borders)
    found = []
    for low, after in itertools.pairwise(ordered):
        if low == 0xD800:
            continue  # surrogates are not characters
        found.append(next((code for code in map(ord, "a0A x1-_~") if low <= code < after), low))
    return sorted(found, key=lambda code: (not chr(code).isalnum(), code))


def example(strings: Strings) -> str | None:
    """A shortest string of the language, None if it is empty. Raises Unsupported."""
    return counterexample(strings, Strings(least=1, most=0))

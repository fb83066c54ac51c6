"""Compiles what every replay repeats: one function that begins a replay, and one that builds each request.

Templates become f-strings, so that filling one is a single expression without a walk over its pieces. Only headers in
which something changes are built. All functions of a script are compiled together.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any
from urllib.parse import quote, quote_plus

from verifier.correlation.execution.fresh import Shape, draw, shape, table
from verifier.correlation.model import Slot
from verifier.correlation.template import Hole, RequestTemplate, Template, one_line
from verifier.correlation.text.json import json_string
from verifier.correlation.text.split import Encode, plain
from verifier.http.message import Headers, Request

Begin = Callable[[str, float], list[str]]  # the replay's key, the seconds that moments are shifted by
Build = Callable[[list[str], Headers], Request]  # the values of all slots, and headers to be added

# Whether an encoder leaves a text as it is. This is asked first, because it does so with most identifiers.
_UNTOUCHED: dict[object, Callable[[str], object]] = {
    quote: re.compile(r"[A-Za-z0-9_.\-~]*").fullmatch,
    quote_plus: re.compile(r"[A-Za-z0-9_.\-~]*").fullmatch,
    json_string: re.compile(r"[ !#-\[\]-~]*").fullmatch,
    one_line: str.isprintable,
}


class Compiler:
    """Collects the functions of one script; `finish` compiles them."""

    def __init__(self) -> None:
        self._functions: list[ast.stmt] = []
        self._bound: dict[str, Any] = {"Request": Request, "draw": draw}
        self._names: dict[int, str] = {}

    def begin(self, slots: Sequence[Slot]) -> str:
        """Add a `Begin`: the values that a replay starts with. Returns the name of the function, as all of these do."""
        shapes = {at: shape(slot.recorded) for at, slot in enumerate(slots) if slot.fresh and slot.moment is None}
        counts = Counter(cell for cells in shapes.values() for cell in cells if len(cell) > 1)
        body: list[ast.stmt] = []
        if counts:
            body.append(_assign("bits", _call(_name("draw"), _name("key"), ast.Constant(counts.total()))))
        position = 0
        drawn: dict[str, str] = {}
        for alphabet, count in counts.items():
            drawn[alphabet] = f"drawn{len(drawn)}"
            letters = _method(_slice("bits", position, position + count), "translate", self._name(table(alphabet)))
            body.append(_assign(drawn[alphabet], _method(letters, "decode")))
            position += count
        used: Counter[str] = Counter()
        values: list[ast.expr] = []
        for at, slot in enumerate(slots):
            if at in shapes:
                values.append(joined(list(_runs(shapes[at], drawn, used))))
            elif slot.fresh and slot.moment is not None:
                values.append(_call(self._name(slot.moment.shifted), _name("shift")))
            else:
                values.append(ast.Constant(slot.recorded))
        return self._function(("key", "shift"), [*body, ast.Return(ast.List(values, ast.Load()))])

    def request(self, recorded: Request, template: RequestTemplate | None) -> str:
        """Add a `Build` for one request. Without a template nothing changes in it."""
        headers: ast.expr = self._name(recorded.headers)
        if template is not None and template.headers:
            headers = self._headers(recorded.headers, dict(template.headers))
        headers = ast.BinOp(headers, ast.Add(), _name("more"))
        target = self._target(recorded, template)
        body: ast.expr = ast.Constant(recorded.body)
        if template is not None and template.body is not None:
            body = _method(self._text(template.body), "encode", ast.Constant(template.charset), ast.Constant("replace"))
        made: ast.expr = _call(_name("Request"), ast.Constant(recorded.method), target, headers, body)
        if template is None:
            made = ast.IfExp(_name("more"), made, self._name(recorded))
        return self._function(("values", "more"), [ast.Return(made)])

    def target(self, recorded: Request, template: RequestTemplate | None) -> str:
        """Add a function from the values of all slots to the target of one request."""
        return self._function(("values",), [ast.Return(self._target(recorded, template))])

    def _target(self, recorded: Request, template: RequestTemplate | None) -> ast.expr:
        return (
            ast.Constant(recorded.target)
            if template is None or template.target is None
            else self._text(template.target)
        )

    def _headers(self, recorded: Headers, changed: dict[int, Template]) -> ast.expr:
        pairs: list[ast.expr] = [self._name(pair) for pair in recorded]
        for at, template in changed.items():
            pairs[at] = ast.Tuple([ast.Constant(recorded[at][0]), self._text(template)], ast.Load())
        return ast.Tuple(pairs, ast.Load())

    def finish(self) -> dict[str, Callable[..., Any]]:
        """All functions by name. No recorded text becomes source code: it is a constant, or bound to a name."""
        module = ast.fix_missing_locations(ast.Module(self._functions, []))
        exec(compile(module, "<script>", "exec"), self._bound)
        return self._bound

    def _text(self, template: Template) -> ast.expr:
        return joined([ast.Constant(piece) if isinstance(piece, str) else self._hole(piece) for piece in template])

    def _hole(self, hole: Hole) -> ast.expr:
        value = self._text(hole.inner) if hole.inner is not None else _value(hole.slot)
        return value if hole.encode is plain else self._encoded(hole.encode, value)

    def _encoded(self, encode: Encode, value: ast.expr) -> ast.expr:
        untouched = _UNTOUCHED.get(encode.func if isinstance(encode, partial) else encode)
        if untouched is None:
            return _call(self._name(encode), value)
        text = ast.NamedExpr(ast.Name("text", ast.Store()), value)
        return ast.IfExp(_call(self._name(untouched), text), _name("text"), _call(self._name(encode), _name("text")))

    def _name(self, value: object) -> ast.Name:
        """A name for a value that source code cannot express."""
        if id(value) not in self._names:
            self._names[id(value)] = f"bound{len(self._names)}"
            self._bound[self._names[id(value)]] = value  # the reference also keeps the id from being used again
        return _name(self._names[id(value)])

    def _function(self, arguments: Sequence[str], body: list[ast.stmt]) -> str:
        name = f"function{len(self._functions)}"
        given = ast.arguments([], [ast.arg(argument) for argument in arguments], None, [], [], None, [])
        self._functions.append(ast.FunctionDef(name, given, body, []))
        return name


def function(arguments: Sequence[str], body: list[ast.stmt]) -> Callable[..., Any]:
    """A single function whose body needs no values bound to names."""
    compiler = Compiler()
    name = compiler._function(arguments, body)
    found: Callable[..., Any] = compiler.finish()[name]
    return found


def _runs(cells: Shape, drawn: dict[str, str], used: Counter[str]) -> Iterator[ast.expr]:
    """A shape as constant and drawn parts; `used` counts the letters already taken from each alphabet."""
    for alphabet, run in groupby(cells, key=lambda cell: cell if len(cell) > 1 else ""):
        letters = list(run)
        if alphabet:
            start = used[alphabet]
            used[alphabet] += len(letters)
            yield _slice(drawn[alphabet], start, start + len(letters))
        else:
            yield ast.Constant("".join(letters))


def joined(parts: list[ast.expr]) -> ast.expr:
    """The texts one after the other. A single value needs no f-string, as all values are plain strings."""
    if len(parts) == 1:
        return parts[0]
    return ast.JoinedStr([part if isinstance(part, ast.Constant) else ast.FormattedValue(part, -1) for part in parts])


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    return ast.Call(function, list(arguments), [])


def _method(value: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
    return _call(ast.Attribute(value, name, ast.Load()), *arguments)


def _value(slot: int) -> ast.expr:
    return ast.Subscript(_name("values"), ast.Constant(slot), ast.Load())


def _slice(name: str, start: int, end: int) -> ast.expr:
    return ast.Subscript(_name(name), ast.Slice(ast.Constant(start), ast.Constant(end)), ast.Load())

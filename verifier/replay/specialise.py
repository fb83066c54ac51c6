"""Specialises a function that writes text: it is called once with marks for its arguments, and its text is cut there.

The specialised function puts the arguments between the pieces, which is much faster. It is compared with the original
for other marks and used only where both give the same text. So it gives the same for all values of unreserved
characters: whatever writes a request writes those as they are, except as numbers in JSON, and the marks are of all
these kinds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from verifier.correlation.execution.compiler import function, joined

Make = Callable[..., Any]  # returns text or bytes; takes the values of slots and some named texts
_MARKS = "aZ0_.-~{}.K", "9q~-.__-x{}.K", "7{}04"  # the last are numbers, which JSON writes without quotes
_LENGTH = re.compile(r"(\r\nContent-Length: )(\d+)\r\n\r\n")


def specialise(make: Make, slots: Collection[int], texts: Sequence[str] = ()) -> Make | None:
    """A faster function that gives the same as `make` for values of unreserved characters; None where there is none.

    `make` takes a list of values, of which it uses those of `slots`, and the arguments named by `texts`; it may raise
    ValueError. The function takes the same arguments.
    """
    try:
        (values, given), *others = [_marked(mark, slots, texts) for mark in _MARKS]
        made = _function(make(values, **given), values, given)
        same = all(made(values, **given) == make(values, **given) for values, given in others)
        return made if same else None
    except ValueError:
        return None


def _marked(mark: str, slots: Collection[int], texts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    values = [""] * (max(slots, default=-1) + 1)
    for number in slots:
        values[number] = mark.format(number)
    return values, {name: f"{mark.format(number)}-M" for number, name in enumerate(texts)}


def _function(sample: str | bytes, values: list[str], texts: dict[str, str]) -> Make:
    text = sample if isinstance(sample, str) else sample.decode("latin-1")
    holes: dict[str, ast.expr] = {mark: ast.Name(name, ast.Load()) for name, mark in texts.items()}
    for at, mark in enumerate(values):
        if mark:
            holes[mark] = ast.Subscript(ast.Name("values", ast.Load()), ast.Constant(at), ast.Load())
    cut = re.compile("|".join(map(re.escape, holes)) or r"(?!)")
    body: list[ast.stmt] = []
    length = _LENGTH.search(text)
    if length is not None and cut.search(text, length.end()):  # the length of the body depends on the values
        body.append(ast.Assign([ast.Name("_body", ast.Store())], joined(_pieces(text[length.end() :], cut, holes))))
        size = ast.Call(ast.Name("len", ast.Load()), [ast.Name("_body", ast.Load())], [])
        before = _pieces(text[: length.end(1)], cut, holes)
        whole = joined([*before, size, ast.Constant("\r\n\r\n"), ast.Name("_body", ast.Load())])
    else:
        whole = joined(_pieces(text, cut, holes))
    if isinstance(sample, bytes):
        whole = ast.Call(ast.Attribute(whole, "encode", ast.Load()), [ast.Constant("latin-1")], [])
    return function(("values", *texts), [*body, ast.Return(whole)])


def _pieces(text: str, cut: re.Pattern[str], holes: dict[str, ast.expr]) -> list[ast.expr]:
    found: list[ast.expr] = []
    position = 0
    for mark in cut.finditer(text):
        found += [ast.Constant(text[position : mark.start()]), holes[mark[0]]]
        position = mark.end()
    return [*found, ast.Constant(text[position:])]

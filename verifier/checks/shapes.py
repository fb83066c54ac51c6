"""Shapes of JSON bodies, learned from the controls: which fields are always there, and of which types.

A later body fits when every field that every earlier one had is there, with a type that was seen. New fields and
values are welcome: a tolerant reader is assumed, since nothing stricter was declared. A member that was null in every
response has shown no type: it may hold a value, as when work has ended meanwhile, or be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.checks.by_identity import Seen
from verifier.contracts.expressions import body_json
from verifier.http.message import Response, header
from verifier.pointers import MISSING, escape, names

_ONLY_NULL = {"null"}
LACKING = "is missing"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place where a value does not fit, with a sentence. List positions are written `*`.

    Where it is a value of another type, `was` holds the types that were seen and `now` is the type that was found.
    """

    pointer: str
    what: str
    lacking: bool = False  # a field that was always there is missing
    was: frozenset[str] = frozenset()
    now: str = ""


@dataclass(slots=True)
class Shape:
    """All that was seen at one place. `fields` maps a name to its shape; `always` holds those never missing."""

    types: set[str] = field(default_factory=set)
    fields: dict[str, Shape] = field(default_factory=dict)
    always: set[str] = field(default_factory=set)
    items: Shape | None = None
    objects: int = 0
    _learned: Seen = field(default_factory=Seen, compare=False)  # entries of lists
    _fitting: Seen = field(default_factory=Seen, compare=False)  # entries that fit what is known so far

    def learn(self, value: Any) -> None:
        self.types.add(kind(value))
        if isinstance(value, dict):
            self.always = self.always & value.keys() if self.objects else set(value)
            self.objects += 1
            for name, item in value.items():
                self.fields.setdefault(name, Shape()).learn(item)
        elif isinstance(value, list):
            for item in value:
                if self._learned.add(item):
                    self.items = self.items or Shape()
                    self.items.learn(item)
                    self._fitting = Seen()

    def fits(self, value: Any) -> bool:
        """Whether there is no misfit. It is asked much more often than what the misfits are."""
        return self._takes(kind(value)) and self._fits_inside(value)

    def _takes(self, found: str) -> bool:
        return found in self.types or not self.types or self.types == _ONLY_NULL

    def _fits_inside(self, value: Any) -> bool:
        if isinstance(value, dict):
            fields = self.fields
            if any(fields[name].types != _ONLY_NULL for name in self.always if name not in value):
                return False
            for name, item in value.items():
                field = fields.get(name)
                if field is None:
                    continue
                found = kind(item)
                if found not in field.types and not field._takes(found):
                    return False
                if (found == "object" or found == "array") and not field._fits_inside(item):
                    return False
        elif isinstance(value, list) and self.items is not None:
            return all(map(self._fits_entry, value))
        return True

    def _fits_entry(self, item: Any) -> bool:
        if item in self._fitting:
            return True
        fits = self.items is None or self.items.fits(item)
        if fits:
            self._fitting.add(item)
        return fits

    def misfits(self, value: Any, pointer: str = "") -> Iterator[Misfit]:
        """Every place where a value does not fit."""
        found = kind(value)
        if self.types and self.types != {"null"} and found not in self.types:
            what = f"is {found}, was {' or '.join(sorted(self.types))}"
            yield Misfit(pointer, what, was=frozenset(self.types), now=found)
            return
        if isinstance(value, dict):
            for name in sorted(self.always - value.keys()):
                if self.fields[name].types != {"null"}:
                    yield Misfit(f"{pointer}/{escape(name)}", LACKING, lacking=True)
            for name, item in value.items():
                if name in self.fields:
                    yield from self.fields[name].misfits(item, f"{pointer}/{escape(name)}")
        elif isinstance(value, list) and self.items is not None:
            for item in value:
                if item in self._fitting:
                    continue
                fits = True
                for misfit in self.items.misfits(item, f"{pointer}/*"):
                    fits = False
                    yield misfit
                if fits:
                    self._fitting.add(item)


_KINDS: dict[type, str] = {
    str: "string", int: "number", float: "number", bool: "boolean", dict: "object", list: "array", type(None): "null",
}  # fmt: skip


def kind(value: Any) -> str:
    """The JSON type, with integers counted as numbers: 1 and 1.0 are the same to a reader."""
    return _KINDS.get(type(value), "string")


def body_kind(response: Response) -> str:
    """What sort of body an answer has: none, JSON, or its media type."""
    if not response.body:
        return "no body"
    if isinstance(body_json(response.body), dict | list):
        return "JSON"
    media = (header(response.headers, "Content-Type") or "").partition(";")[0].strip().lower()
    if media.endswith(("/json", "+json")):
        readable = body_json(response.body) is not MISSING or header(response.headers, "Content-Encoding")
        return "JSON" if readable else "JSON that cannot be read"
    return media or "without a media type"


def put(value: Any, pointer: str, new: Any) -> Any:
    """A copy of a JSON value with another one at the pointer; `*` stands for every entry of a list."""
    return _put(value, names(pointer), new)


def _put(value: Any, way: Sequence[str], new: Any) -> Any:
    if not way:
        return new
    if isinstance(value, dict):
        return {**value, way[0]: _put(value.get(way[0]), way[1:], new)}
    if isinstance(value, list) and way[0] == "*":
        return [_put(item, way[1:], new) for item in value]
    return value

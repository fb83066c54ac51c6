"""One spelling for values that versions render differently: 1, 1.0 and "1"; an empty text, null and an empty list.

A rendering is no loss. Two values are the same for a reader when their canonical texts are equal.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from verifier.checks.by_identity import ByIdentity, Seen
from verifier.checks.shapes import kind
from verifier.contracts.expressions import body_json
from verifier.http.message import Headers, header
from verifier.pointers import MISSING, below, escape, names

EMPTY = ""
MOST_ENTRIES = 256  # looked at of a list in which no entry is the client's own
Values = dict[str, frozenset[str]]  # canonical texts by pointer; positions in lists are written `*`
Own = frozenset[str] | set[str]
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_FORM = "application/x-www-form-urlencoded"


def canonical(value: Any) -> str:
    """The text that all renderings of a value share. Texts with leading zeros are names, not numbers."""
    if value is None or value == "" or value == [] or value == {}:
        return EMPTY
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(repr(value))
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True)
    return _text(value)


@lru_cache(maxsize=65536)
def _text(value: str) -> str:
    shown = value.strip()
    if len(shown) <= 64 and shown[:1] in "-0123456789":
        if _NUMBER.fullmatch(shown):
            return _number(shown)
        if _MOMENT.fullmatch(shown):
            return _moment(shown)
    return shown


def same(one: Any, other: Any) -> bool:
    """Whether two scalars are renderings of one value."""
    return canonical(one) == canonical(other)


def _number(text: str) -> str:
    try:
        value = Decimal(text)
    except ArithmeticError:
        return text
    if not value.is_finite():
        return text
    return "0" if not value else format(value.normalize(), "f")


def _moment(text: str) -> str:
    try:
        return f"at {datetime.fromisoformat(text).timestamp()}"
    except ValueError:
        return text


def distinctive(text: str) -> bool:
    """Whether a canonical text is unlikely to stand at two unrelated places by chance: an id, an address, a token."""
    return len(text) >= 8 and any(map(str.isdigit, text)) and not text.replace(".", "").isdecimal()


def values_of(body: Any, own: Own = frozenset()) -> Values:
    """The canonical texts at each pointer of a JSON body.

    Where entries of a list show one of the values `own`, those entries alone are looked at: a list that many clients
    share shows the entries of others beside them.
    """
    found: Values = {}
    _gather(body, "", own, found)
    return found


def single_values(body: Any) -> Values:
    """As `values_of`, but only what stands outside lists."""
    found: Values = {}
    _gather(body, "", None, found)
    return found


def _gather(value: Any, pointer: str, own: Own | None, found: Values) -> None:
    """What stands outside lists, each at a pointer of its own, and what lists show; `own` is None to leave them out."""
    if type(value) is dict and value:
        for name, item in value.items():
            at = below(pointer, name)
            if type(item) is str:
                found[at] = frozenset((_text(item),))
            else:
                _gather(item, at, own, found)
    elif type(value) is list and value:
        if own is not None:
            listed: dict[str, set[str]] = {}
            _gather_list(value, f"{pointer}/*", own, listed)
            for at, texts in listed.items():
                found[at] = frozenset(texts)
    else:
        found[pointer] = frozenset((canonical(value),))


def _gather_entry(value: Any, pointer: str, own: Own, found: dict[str, set[str]]) -> None:
    """The same for an entry of a list, which has others beside it."""
    if type(value) is dict and value:
        for name, item in value.items():
            _gather_entry(item, below(pointer, name), own, found)
    elif type(value) is list and value:
        _gather_list(value, f"{pointer}/*", own, found)
    else:
        text = _text(value) if type(value) is str else canonical(value)
        if pointer in found:
            found[pointer].add(text)
        else:
            found[pointer] = {text}


def _gather_list(value: list[Any], pointer: str, own: Own, found: dict[str, set[str]]) -> None:
    theirs = (
        [item for item in value if isinstance(item, dict | list) and not own.isdisjoint(_texts_in(item))] if own else []
    )
    for item in theirs:
        _gather_entry(item, pointer, own, found)
    if not theirs:
        for suffix, texts in _values_of_entries(value).items():
            found.setdefault(f"{pointer}{suffix}", set()).update(texts)


def _compute_values_of_entries(entries: list[Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in entries[:MOST_ENTRIES]:
        for suffix, texts in (_all_values(item) if isinstance(item, dict | list) else {"": (canonical(item),)}).items():
            found.setdefault(suffix, set()).update(texts)
    return found


def _compute_values(value: Any) -> Values:
    return values_of(value)


def _compute_texts(value: dict[str, Any] | list[Any]) -> frozenset[str]:
    """The texts in a value, which tell whose it is; numbers and truth values cannot."""
    items = value.values() if isinstance(value, dict) else value
    found = {item for item in items if isinstance(item, str)}
    return frozenset(found.union(*(_texts_in(item) for item in items if isinstance(item, dict | list))))


_all_values = ByIdentity(_compute_values)
_values_of_entries = ByIdentity(_compute_values_of_entries)
_texts_in = ByIdentity(_compute_texts)


class Kinds:
    """The JSON types at each pointer of the bodies that were learned; entries of lists that are known teach nothing."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, Seen] = defaultdict(Seen)

    def learn(self, value: Any, pointer: str = "") -> None:
        self.found[pointer].add(kind(value))
        if isinstance(value, dict):
            for name, item in value.items():
                self.learn(item, f"{pointer}/{escape(name)}")
        elif isinstance(value, list):
            seen = self._seen[pointer]
            for item in value[:MOST_ENTRIES]:
                if seen.add(item):
                    self.learn(item, f"{pointer}/*")


def sent_values(target: str, headers: Headers, body: bytes) -> Values:
    """What a request says, in its query (`?name`) and in its body, which is JSON or a form."""
    found: dict[str, set[str]] = {}
    for name, text in parse_qsl(target.partition("?")[2], keep_blank_values=True):
        found.setdefault(f"?{name}", set()).add(canonical(text))
    if body and (header(headers, "Content-Type") or "").partition(";")[0].strip().lower() == _FORM:
        for name, text in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
            found.setdefault(f"/{escape(name)}", set()).add(canonical(text))
        return {pointer: frozenset(texts) for pointer, texts in found.items()}
    parsed = body_json(body)
    values = {} if parsed is MISSING else values_of(parsed)
    return {**values, **{pointer: frozenset(texts) for pointer, texts in found.items()}}


def shown_at(value: Any, pointer: str, wanted: str | None = None) -> Any:
    """The first value at a pointer with `*`, or the first that is rendered as `wanted`; MISSING where there is none."""
    return _shown_at(value, names(pointer), wanted)


def _shown_at(value: Any, tokens: list[str], wanted: str | None) -> Any:
    if not tokens:
        return value if wanted is None or canonical(value) == wanted else MISSING
    name, *rest = tokens
    if isinstance(value, dict):
        return _shown_at(value[name], rest, wanted) if name in value else MISSING
    if isinstance(value, list) and name == "*":
        return next((found for item in value if (found := _shown_at(item, rest, wanted)) is not MISSING), MISSING)
    return MISSING

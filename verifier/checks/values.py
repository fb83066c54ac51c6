"""JSON values compared as a reader would: what was there must still be there, and read the same.

New fields, new entries of a list and another order of its entries are no loss.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from verifier.pointers import escape

IDENTITY = ("id", "key", "uuid", "name", "href")
NOTHING = "nothing"
Difference = tuple[str, Any, Any]


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[Difference]:
    """(pointer, value before, value after) for each loss; entries of lists are written `*`.

    A field that is missing afterwards is none: another version need not know it. A list's entry that is missing is
    told with NOTHING after.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            if name in after:
                yield from differences(before[name], after[name], f"{pointer}/{escape(name)}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _entries(before, after, pointer)
    elif not _same(before, after):
        yield pointer, before, after


def _same(one: Any, other: Any) -> bool:
    """1 and 1.0 are one number to a reader of JSON; 1 and true are not one value."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _entries(before: list[Any], after: list[Any], pointer: str) -> Iterator[Difference]:
    if before == after:
        return
    name = _identity(before, after)
    if name is not None:
        now = {item[name]: item for item in after}
        spelled = {str(key): item for key, item in now.items()}  # 7 and "7" name one entry, told in another type
        for item in before:
            found = now.get(item[name], spelled.get(str(item[name])))
            if found is not None:
                yield from differences(item, found, f"{pointer}/*")
            else:
                yield f"{pointer}/*", item, NOTHING
    elif not Counter(map(text, before)) <= Counter(map(text, after)):
        nested = any(isinstance(item, dict | list) for item in (*before, *after))
        if nested and len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                yield from differences(one, other, f"{pointer}/*")
        else:
            yield pointer, before, after


def _identity(*lists: list[Any]) -> str | None:
    """The name of a field that tells the entries of every list apart."""

    def tells(name: str, items: list[Any]) -> bool:
        values = [item.get(name) for item in items if isinstance(item, dict)]
        return len(values) == len(items) == len({value for value in values if isinstance(value, str | int)})

    if not any(lists):
        return None
    return next((name for name in IDENTITY if all(tells(name, items) for items in lists)), None)


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every scalar as text, with its pointer; entries of lists are written `*`."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{pointer}/{escape(name)}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{pointer}/*")
    else:
        yield pointer, text(value)


def text(value: Any) -> str:
    """A value as JSON in one spelling: equal texts are equal values."""
    return json.dumps(value, sort_keys=True)

"""What makes several findings one change: a field that one version tells as one type, the other as another.

Such a change shows in every answer that holds the field, as a shape, as a broken contract and as a value that reads
differently. A cause names it once; findings of one service with equal causes are consequences of one change.
"""

from __future__ import annotations

import json
import re

from verifier.checks.shapes import kind

_SHAPE = re.compile(r"is (\w+), was (\w+(?: or \w+)*)(?!\w)")
_SCHEMA = re.compile(r'(.+) is not of types? ("\w+"(?:, "\w+")*)', re.DOTALL)


def retyped(service: str, pointer: str, before: set[str], now: str) -> str:
    """The cause of a value of type `now` where only the types `before` were known; "" where no field is named.

    The field alone is named, not its place: it stands in a list, in an entry of it and in an answer of its own alike.
    """
    names = [name for name in pointer.split("/") if name and name != "*" and not name.isdecimal()]
    known = before - {"null"} or before
    if not names or now in before:
        return ""
    return f"{names[-1]} of {service} is {' here, '.join(sorted({*known, now}))} there"


def by_shape(service: str, pointer: str, what: str) -> str:
    """From a sentence of `Shape.misfits`."""
    found = _SHAPE.match(what)
    return retyped(service, pointer, set(found[2].split(" or ")), found[1]) if found else ""


def by_schema(service: str, pointer: str, message: str) -> str:
    """From what a JSON Schema validator says of a body; `pointer` begins with /body."""
    found = _SCHEMA.fullmatch(message)
    if found is None:
        return ""
    try:
        value = json.loads(found[1])
    except ValueError:  # told in short
        return ""
    allowed = {"number" if name == "integer" else name for name in re.findall(r"\w+", found[2])}
    return retyped(service, pointer.removeprefix("/body"), allowed, kind(value))


def ends(service: str, version: str) -> str:
    """The cause of all that follows from replicas that end by themselves."""
    return f"{service} {version} ends by itself"

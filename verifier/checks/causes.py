"""What makes several findings one change: a field that one version tells as one type, the other as another.

Such a change shows in every answer that holds the field, as a shape, as a broken contract and as a value that reads
differently. A cause names it once; findings of one service with equal causes are consequences of one change.
"""

from __future__ import annotations

from collections.abc import Set

from verifier.pointers import is_index, names


def retyped(service: str, pointer: str, before: Set[str], now: str) -> str:
    """The cause of a value of type `now` where only the types `before` were known.

    "" where no field is named, and where nothing is of another type.

    The field alone is named, not its place: it stands in a list, in an entry of it and in an answer of its own alike.
    """
    fields = [name for name in names(pointer) if name and name != "*" and not is_index(name)]
    known = before - {"null"} or before
    if not fields or not now or now in before:
        return ""
    return f"{fields[-1]} of {service} is {' here, '.join(sorted({*known, now}))} there"


def ends(service: str, version: str) -> str:
    """The cause of all that follows from replicas that end by themselves."""
    return f"{service} {version} ends by itself"

"""The names of causes that a check knows by itself: a retyped field, and a replica that does not start or that ends.

A field of another type shows in every answer that holds the field, as a shape, as a broken contract and as a value that
reads differently. A cause names it once; findings of one service with equal causes are consequences of one change.
"""

from __future__ import annotations

from collections.abc import Set

from verifier.history.model import ReplicaEvent
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


def broken(event: ReplicaEvent) -> str:
    """The cause of all that follows from a replica that ended or did not start, or from a migration that failed."""
    named = f"{event.service} {event.version}"
    if event.what == "command-failed":  # its replica is named SERVICE-VERSION-STAGE-NUMBER
        return f"{event.replica.removeprefix(f'{event.service}-{event.version}-').rpartition('-')[0]} of {named} fails"
    return ends(event.service, event.version) if event.what == "exited" else f"{named} does not become ready"


_ENDS = " ends by itself"
_LOSES = " loses a child process"


def ends(service: str, version: str) -> str:
    """The cause of all that follows from replicas that end by themselves."""
    return f"{service} {version}{_ENDS}"


def loses(service: str, version: str) -> str:
    """The cause of what follows where replicas go on without one of their processes."""
    return f"{service} {version}{_LOSES}"


def is_end(cause: str) -> bool:
    """Whether a cause is that replicas, or processes of theirs, end by themselves."""
    return cause.endswith((_ENDS, _LOSES))

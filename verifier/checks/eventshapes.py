"""Shapes of event streams, learned from the controls: of the data of each type of event.

How many events a stream tells, and which, depends on when it was listened to and for how long: no event is missed. But
a stream that tells of none that was known tells its reader nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from verifier.checks.shapes import Misfit, Shape, put
from verifier.contracts.expressions import body_json
from verifier.http.eventstream import events, is_event_stream, with_data
from verifier.http.message import Response
from verifier.pointers import MISSING

_USUAL = "message"  # the type of an event that names none


@dataclass(slots=True)
class EventShapes:
    """The shapes by type of event; that of data which is no JSON is a string's."""

    types: dict[str, Shape] = field(default_factory=dict)

    def learn(self, response: Response) -> None:
        for kind, value in _typed_data(response):
            self.types.setdefault(kind, Shape()).learn(value)

    def misfits(self, response: Response) -> Iterator[Misfit]:
        """As for `Shape`, with pointers into an event's data."""
        found = list(_typed_data(response))
        kinds = dict.fromkeys(kind for kind, _ in found)
        if kinds and self.types and not kinds.keys() & self.types.keys():
            told, known = (", ".join(map(repr, sorted(entry))) for entry in (kinds, self.types))
            what = f"tells of {told} events alone, of {known} events in the answers of the old version alone"
            yield Misfit("", what)
        seen = set[tuple[str, str]]()
        for kind, value in found:
            for misfit in self.types[kind].misfits(value) if kind in self.types else ():
                if (kind, misfit.pointer) not in seen:
                    seen.add((kind, misfit.pointer))
                    yield replace(misfit, what=_in_event(misfit, kind))


def _in_event(misfit: Misfit, kind: str) -> str:
    if misfit.lacking:
        return f"is missing in {kind!r} events; every one of the old version alone has it"
    return f"{misfit.what} in {kind!r} events of the old version alone"


def _typed_data(response: Response) -> Iterator[tuple[str, Any]]:
    """The type and the data of each whole event."""
    for event in events(response.body) if is_event_stream(response.headers) else ():
        value = body_json(event["data"])
        text = event["data"].decode("utf-8", "replace")
        yield event.get("event", b"").decode("utf-8", "replace") or _USUAL, text if value is MISSING else value


def with_value(response: Response, pointer: str, new: Any) -> bytes:
    """The body with another value at the pointer: in the data of each event of a stream, in other bodies itself."""

    def changed(data: bytes) -> bytes:
        value = body_json(data)
        return data if value is MISSING else json.dumps(put(value, pointer, new)).encode()

    return with_data(response.body, changed) if is_event_stream(response.headers) else changed(response.body)

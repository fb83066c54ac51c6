"""Files as they were: pictures, archives, texts that both versions answer byte for byte the same by themselves.

Of such a body no reader tolerates another. JSON is compared by its shape (`shapes.py`), pages of HTML are not compared:
they are for people, and say other things from day to day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from verifier.checks.context import CLIENT, Context, called
from verifier.checks.shapes import body_kind
from verifier.history.model import Operation
from verifier.http.message import Response, header

Place = tuple[str, str, int]  # service, session, index
_LEAST = 2  # answers of each version alone, without which nothing is known to stay the same
_NO_FILES = frozenset({"text/html", "application/xhtml+xml", "text/event-stream", "without a media type"})


class Files:
    """What each version by itself answers at a place: known where it answers the same bytes every time."""

    def __init__(self, context: Context) -> None:
        old, new = (_steady(context, phase) for phase in ("control-old", "control-new"))
        self._known = {place: (body, new[place]) for place, body in old.items() if place in new}

    def misfits(self, operation: Operation, answer: Response) -> Iterator[str]:
        """A sentence where an answer is no file that a version by itself gives here."""
        known = self._known.get(_place(operation)) if self._known else None
        if known is not None and answer.body not in known and is_file(operation, answer):
            sizes = " or ".join(dict.fromkeys(str(len(body)) for body in known))
            yield (
                f"{called(operation)}: these {len(answer.body)} bytes are not the {sizes} "
                "that each version by itself answers every time"
            )


def _steady(context: Context, phase: str) -> dict[Place, bytes]:
    """The file at each place where every answer in the controls of one version is this file."""
    found: dict[Place, bytes] = {}
    times: Counter[Place] = Counter()
    for operation in context.groups.operations(
        lambda group: group.source in CLIENT and group.status == 200 and group.phase == phase
    ):
        place, answer = _place(operation), operation.response
        body = answer.body if answer is not None and is_file(operation, answer) else b""
        found[place] = body if found.get(place, body) == body else b""
        times[place] += 1
    return {place: body for place, body in found.items() if body and times[place] >= _LEAST}


def is_file(operation: Operation, answer: Response) -> bool:
    """Whether a whole body was asked for and given, as it is kept: neither JSON nor a page, in no content coding."""
    if operation.source not in CLIENT or operation.request.method != "GET" or answer.status != 200 or not answer.body:
        return False
    if (header(answer.headers, "Content-Encoding") or "identity").strip().lower() != "identity":
        return False
    kind = body_kind(answer)
    return not kind.startswith("JSON") and kind not in _NO_FILES


def _place(operation: Operation) -> Place:
    return (operation.service, operation.session, operation.index)

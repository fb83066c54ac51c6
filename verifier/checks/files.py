"""Files as they were: pictures, archives, texts that both versions answer byte for byte the same by themselves.

Of such a body no reader tolerates another. JSON is compared by its shape (`shapes.py`), pages of HTML are not compared:
they are for people, and say other things from day to day.
"""

from __future__ import annotations

from collections import defaultdict
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
        self._alone: dict[str, dict[Place, list[bytes]]] = {
            "control-old": defaultdict(list),
            "control-new": defaultdict(list),
        }
        for operation in context.client_operations():
            step, answer = context.steps.get(operation.step), operation.response
            if step is None or step.phase not in self._alone or answer is None or answer.status != 200:
                continue
            self._alone[step.phase][_place(operation)].append(answer.body if is_file(operation, answer) else b"")

    def misfits(self, operation: Operation, answer: Response) -> Iterator[str]:
        """A sentence where an answer is no file that a version by itself gives here."""
        if not is_file(operation, answer):
            return
        known = [alone.get(_place(operation), []) for alone in self._alone.values()]
        if any(len(bodies) < _LEAST or len(set(bodies)) > 1 or not bodies[0] for bodies in known):
            return
        if all(answer.body != bodies[0] for bodies in known):
            sizes = " or ".join(dict.fromkeys(str(len(bodies[0])) for bodies in known))
            yield (
                f"{called(operation)}: these {len(answer.body)} bytes are not the {sizes} "
                "that each version by itself answers every time"
            )


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

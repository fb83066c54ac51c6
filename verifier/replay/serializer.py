"""Writes the request and the operation of one exchange from the values that differ between replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from verifier.correlation import ScriptStep
from verifier.history.bodies import kept_apart
from verifier.history.line import base64, operation_line, produced_text
from verifier.history.model import Outcome
from verifier.http.encode import encode_request
from verifier.http.message import Request
from verifier.replay.specialise import specialise

LINE_TEXTS = (
    "trace", "where", "place", "served", "content", "headers", "body", "started", "ended", "produced",
)  # fmt: skip
_LARGEST = 1 << 16  # bytes of a request's body; a larger one is not kept in several forms


MakeRequest = Callable[[list[str], str], Request]  # takes the values of the slots, and how the trace ends


class LineSerializer(Protocol):
    """Writes the line of an operation. The texts are those of `operation_line`, and `trace`: how the trace ends."""

    def __call__(
        self, values: list[str], /, *,
        trace: str, where: str, place: str, served: str, content: str, headers: str, body: str, started: str,
        ended: str, produced: str,
    ) -> str: ...  # fmt: skip


class SpecialisedSerializer(Struct, frozen=True, gc=False):
    """Writes an exchange, given what differs between replays. Its values must be of unreserved characters alone.

    `text` writes the request; it takes the values of the slots, how the trace ends, and the authority. `line` writes
    the line of the operation in the history.
    """

    text: Callable[[list[str], str, str], bytes]
    line: LineSerializer
    body: Callable[[list[str]], bytes] | None  # of the request, where it depends on values or is long
    content: str  # the body otherwise, in base64
    produced: str  # the beginning of a line's end, up to the one value produced; "" where it may be several


def specialised_serializer(
    step: ScriptStep, index: int, status: int, outcome: Outcome, make_request: MakeRequest
) -> SpecialisedSerializer | None:
    """The serializer of an exchange that ends with `status`; `make_request` makes its request.

    None where sending it does more than write bytes, or where specialised functions would write other bytes.
    """
    jar, reported = step.cookie is not None or step.stores_cookies, bool(step.unmatched or step.ambiguous)
    recorded = step.exchange.request.body
    if jar or reported or len(recorded) > _LARGEST:
        return None

    def make_text(values: list[str], trace: str, authority: str) -> bytes:
        return encode_request(make_request(values, trace), authority.encode())

    def make_line(values: list[str], trace: str, **texts: str) -> str:
        request = make_request(values, trace)
        return operation_line(index, request.method, request.target, request.headers, status, outcome, **texts)

    def make_body(values: list[str]) -> bytes:
        return make_request(values, "").body

    slots, extractions = step.uses, step.extractions
    text, line, body = (
        specialise(make_text, slots, ("trace", "authority")),
        specialise(make_line, slots, LINE_TEXTS),
        specialise(make_body, slots),
    )
    if text is None or line is None or body is None:
        return None
    constant = (step.template is None or step.template.body is None) and not kept_apart(recorded)
    produced = (
        produced_text(((extractions[0].locator.expression, ""),)).removesuffix('"]]') if len(extractions) == 1 else ""
    )
    return SpecialisedSerializer(text, line, None if constant else body, base64(recorded), produced)

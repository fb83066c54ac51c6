"""One exchange of a session, prepared for its replays: what is the same in all of them, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, structs

from verifier.contracts.lookup import HOLE
from verifier.correlation import Poll, Program, ScriptStep
from verifier.correlation.execution.compiler import Build
from verifier.correlation.execution.extraction import Learn
from verifier.correlation.text.parts import bits
from verifier.gateway.rotation import Endpoint
from verifier.gateway.traces import begin as trace_start
from verifier.history.line import base64, operation_line, produced_text, served
from verifier.history.model import Outcome
from verifier.history.outcome import outcome_of
from verifier.http.encode import encode_request
from verifier.http.message import Request, Response, header
from verifier.replay.context import RETRY_STATUSES, ReplayContext
from verifier.replay.listening import ListenLimits, listen_limits
from verifier.replay.replay_script import ReplayScript
from verifier.replay.specialised import specialise

LINE_TEXTS = (
    "trace", "where", "place", "served", "content", "headers", "body", "started", "ended", "produced",
)  # fmt: skip
_LARGEST = 1 << 16  # bytes of a request's body; a larger one is not kept in several forms


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
    body: Callable[[list[str]], bytes] | None  # of the request, where it depends on values
    content: str  # the body where it does not, in base64
    produced: str  # the beginning of a line's end, up to the one value produced; "" where it may be several


class ServedOperation(Struct, frozen=True, gc=False):
    """The operation that an exchange is for a replica. `text` says both in a line; None where it depends on values."""

    name: str
    text: str | None


class PreparedExchange(Struct, frozen=True, gc=False):
    """`status`: the recorded one, if the next request follows such a response at once, as nearly always; else None.

    `simple`: whether the fast path may send it. `uses` and `fills`: the slots in its request and those that its
    response can fill, one bit each.
    """

    index: int
    service: str
    name: str
    trace_start: str  # how the `traceparent` of its first attempt begins
    recorded: Response
    poll: Poll | None
    listen: ListenLimits | None  # where an event stream was recorded
    traced: bool  # the recorded request carries a trace of its own
    status: int | None
    outcome: Outcome  # of a response with the recorded status
    simple: bool
    readable: bool  # what such a response holds can be read back
    uses: int
    fills: int
    build: Build
    target: Callable[[list[str]], str]
    learn: Learn | None
    serializer: SpecialisedSerializer | None
    served_as: dict[str, ServedOperation]  # by replica

    def request(self, values: list[str], trace: str) -> Request:
        """Its request; `trace` is how the trace of the replay ends."""
        return self.build(values, (("traceparent", self.trace_start + trace),))

    def served_by(self, context: ReplayContext, endpoint: Endpoint) -> ServedOperation:
        """The operation that it is for a replica; remembered in `served_as`."""
        marked = self.build([HOLE] * self.uses.bit_length(), ())
        known, called = context.registry.settled(self.service, endpoint.version, marked.method, marked.target)
        name = called.id if called is not None else self.name
        try:
            text = served(name, self.service, endpoint.version, endpoint.replica) if known else None
        except UnicodeEncodeError:
            text = None
        found = self.served_as[endpoint.replica] = ServedOperation(name, text)
        return found


def prepared_exchanges(context: ReplayContext, replay_script: ReplayScript) -> tuple[PreparedExchange, ...]:
    not_final = context.registry.accepting.union(RETRY_STATUSES, context.retry.statuses)
    found: list[PreparedExchange] = []
    filled: set[int] = set()  # the slots that the response to this exchange or to a later one may fill
    for index in reversed(range(len(replay_script.services))):
        filled.update(extraction.slot for extraction in replay_script.script.steps[index].extractions)
        found.append(_prepared(replay_script.program, index, replay_script.services[index], not_final, filled))
    return tuple(reversed(found))


def _prepared(
    program: Program, index: int, service: str, not_final: frozenset[int], filled: set[int]
) -> PreparedExchange:
    step = program.steps[index]
    request, response = step.exchange.request, step.exchange.response
    status = response.status if step.poll is None and response.status not in not_final else None
    listen = listen_limits(response, needed=bool(step.produces))
    traced = header(request.headers, "traceparent") is not None
    prepared = PreparedExchange(
        index=index,
        service=service,
        name=step.name,
        trace_start=trace_start(index),
        recorded=response,
        poll=step.poll,
        listen=listen,
        traced=traced,
        status=status,
        outcome=outcome_of(request.method, response, "", sent=True),
        simple=not traced and listen is None and request.method != "HEAD",
        readable=request.method == "GET" and status is not None and status < 300,
        uses=bits(step.uses),
        fills=bits(extraction.slot for extraction in step.extractions),
        build=program.build[index],
        target=program.target[index],
        learn=program.learn[index],
        serializer=None,
        served_as={},
    )
    # The values that the request uses must not change before the operation is written or a sweep reads them.
    if not filled.isdisjoint(step.uses):
        return prepared
    return structs.replace(prepared, serializer=_serializer(prepared, step))


def _serializer(prepared: PreparedExchange, step: ScriptStep) -> SpecialisedSerializer | None:
    """None where more than bytes is to be made of the exchange, or specialised functions would give other bytes."""
    jar, reported = step.cookie is not None or step.stores_cookies, bool(step.unmatched or step.ambiguous)
    recorded = step.exchange.request.body
    if not prepared.simple or prepared.status is None or jar or reported or len(recorded) > _LARGEST:
        return None
    status = prepared.status

    def make_text(values: list[str], trace: str, authority: str) -> bytes:
        return encode_request(prepared.request(values, trace), authority.encode())

    def make_line(values: list[str], trace: str, **texts: str) -> str:
        request = prepared.request(values, trace)
        return operation_line(
            prepared.index, request.method, request.target, request.headers, status, prepared.outcome, **texts
        )

    def make_body(values: list[str]) -> bytes:
        return prepared.build(values, ()).body

    slots, extractions = step.uses, step.extractions
    text, line, body = (
        specialise(make_text, slots, ("trace", "authority")),
        specialise(make_line, slots, LINE_TEXTS),
        specialise(make_body, slots),
    )
    if text is None or line is None or body is None:
        return None
    constant = step.template is None or step.template.body is None
    produced = (
        produced_text(((extractions[0].locator.expression, ""),)).removesuffix('"]]') if len(extractions) == 1 else ""
    )
    return SpecialisedSerializer(text, line, None if constant else body, base64(recorded), produced)

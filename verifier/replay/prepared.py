"""One exchange of a session as a stretch sends it: what is the same in every replay, made once."""

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
from verifier.gateway.traces import begin
from verifier.history.line import base64, operation_line, produced_text, served
from verifier.history.model import Outcome
from verifier.history.outcome import outcome_of
from verifier.http.encode import encode_request
from verifier.http.message import Request, Response, header
from verifier.replay.context import LATER, ReplayContext
from verifier.replay.listening import Listen, listen_as
from verifier.replay.replay_script import ReplayScript
from verifier.replay.specialised import specialise

LINE_TEXTS = (
    "trace", "where", "place", "served", "content", "headers", "body", "started", "ended", "produced",
)  # fmt: skip
_LARGEST = 1 << 16  # bytes of a request's body; larger ones are not kept in several forms


class LineSerializer(Protocol):
    """Writes the line of an operation. The texts are those of `operation_line`, and `trace`: how the trace ends."""

    def __call__(
        self, values: list[str], /, *,
        trace: str, where: str, place: str, served: str, content: str, headers: str, body: str, started: str,
        ended: str, produced: str,
    ) -> str: ...  # fmt: skip


class SpecialisedSerializer(Struct, frozen=True, gc=False):
    """An exchange's bytes as functions of what differs between replays: for values of unreserved characters alone.

    `text`: of the request; takes the slots' values, how the trace ends, and the authority. `line`: of its operation in
    the history; takes the values, how the trace ends, and what `operation_line` takes.
    """

    text: Callable[[list[str], str, str], bytes]
    line: LineSerializer
    body: Callable[[list[str]], bytes] | None  # the request's, where it is another one in each replay
    content: str  # where it is not, in base64
    produced: str  # how a line says what was produced, up to its value, if that is one at the most; `"]]` ends it


class Served(Struct, frozen=True, gc=False):
    """The operation that a replica took an exchange for, and how a line says both; None where that is not always so."""

    name: str
    text: str | None


class PreparedExchange(Struct, frozen=True, gc=False):
    """`status` is the recorded one if nothing can follow such an answer: nearly all are such; else -1.

    `plain`: whether the exchange can be part of a stretch. `uses` and `fills`: the slots in its request, and those that
    its answer can fill, one bit each.
    """

    index: int
    service: str
    name: str
    begin: str  # of the trace of its first attempt
    recorded: Response
    poll: Poll | None
    listen: Listen | None  # where an event stream was recorded
    traced: bool  # the recorded request carries a trace of its own
    status: int | None
    outcome: Outcome  # of an answer with that status
    plain: bool
    readable: bool  # what such a response holds can be read back
    uses: int
    fills: int
    build: Build
    target: Callable[[list[str]], str]
    learn: Learn | None
    serializer: SpecialisedSerializer | None
    serving: dict[str, Served]  # by replica

    def request(self, values: list[str], trace: str) -> Request:
        """Its request, of the trace that ends so."""
        return self.build(values, (("traceparent", self.begin + trace),))

    def served_by(self, context: ReplayContext, endpoint: Endpoint) -> Served:
        """What to write of the replica that served it; remembered in `serving`."""
        marked = self.build([HOLE] * self.uses.bit_length(), ())
        known, called = context.registry.settled(self.service, endpoint.version, marked.method, marked.target)
        name = called.id if called is not None else self.name
        try:
            text = served(name, self.service, endpoint.version, endpoint.replica) if known else None
        except UnicodeEncodeError:
            text = None
        found = self.serving[endpoint.replica] = Served(name, text)
        return found


def prepared_exchanges(context: ReplayContext, replay_script: ReplayScript) -> tuple[PreparedExchange, ...]:
    following = context.registry.accepting.union(LATER, context.retry.statuses)
    found: list[PreparedExchange] = []
    filled: set[int] = set()  # the slots that an answer may fill, of the exchange or after it
    for index in reversed(range(len(replay_script.services))):
        filled.update(extraction.slot for extraction in replay_script.script.steps[index].extractions)
        found.append(_prepared(replay_script.program, index, replay_script.services[index], following, filled))
    return tuple(reversed(found))


def _prepared(
    program: Program, index: int, service: str, following: frozenset[int], filled: set[int]
) -> PreparedExchange:
    step = program.steps[index]
    request, response = step.exchange.request, step.exchange.response
    status = response.status if step.poll is None and response.status not in following else None
    listen = listen_as(response, needed=bool(step.produces))
    traced = header(request.headers, "traceparent") is not None
    prepared = PreparedExchange(
        index=index,
        service=service,
        name=step.name,
        begin=begin(index),
        recorded=response,
        poll=step.poll,
        listen=listen,
        traced=traced,
        status=status,
        outcome=outcome_of(request.method, response, "", sent=True),
        plain=not traced and listen is None and request.method != "HEAD",
        readable=request.method == "GET" and status is not None and status < 300,
        uses=bits(step.uses),
        fills=bits(extraction.slot for extraction in step.extractions),
        build=program.build[index],
        target=program.target[index],
        learn=program.learn[index],
        serializer=None,
        serving={},
    )
    # What it uses must still be what it was when the operation is written, and when a sweep reads.
    if not filled.isdisjoint(step.uses):
        return prepared
    return structs.replace(prepared, serializer=_serializer(prepared, step))


def _serializer(prepared: PreparedExchange, step: ScriptStep) -> SpecialisedSerializer | None:
    """None where the exchange has more to it, or its bytes cannot be made so."""
    jar, reported = step.cookie is not None or step.stores_cookies, bool(step.unmatched or step.ambiguous)
    recorded = step.exchange.request.body
    if not prepared.plain or prepared.status is None or jar or reported or len(recorded) > _LARGEST:
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

"""One exchange of a session, prepared for its replays: what is the same in all of them, made once."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from verifier.contracts.lookup import HOLE
from verifier.correlation import Program, ScriptStep, Waiting
from verifier.correlation.execution.compiler import Build
from verifier.correlation.execution.extraction import Learn
from verifier.correlation.text.parts import bits
from verifier.gateway.rotation import Endpoint
from verifier.gateway.traces import traceparent_start
from verifier.history.line import served
from verifier.history.model import Outcome
from verifier.history.outcome import outcome_of
from verifier.http.message import Request, Response, header
from verifier.replay.context import RETRY_STATUSES, ReplayContext
from verifier.replay.listening import ListenLimits, listen_limits
from verifier.replay.replay_script import ReplayScript
from verifier.replay.serializer import SpecialisedSerializer, specialised_serializer


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
    waiting: Waiting | None
    referred_to: bool  # by the waiting of a later exchange
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
    steps = replay_script.program.steps
    referred = frozenset[int]().union(*(step.waiting.needs for step in steps if step.waiting is not None))
    filled: set[int] = set()  # the slots that the response to this exchange or to a later one may fill
    for index in reversed(range(len(replay_script.services))):
        filled.update(extraction.slot for extraction in replay_script.script.steps[index].extractions)
        prepared = _prepared(replay_script.program, index, replay_script.services[index], not_final, index in referred)
        found.append(_with_serializer(prepared, steps[index], filled))
    return tuple(reversed(found))


def _prepared(
    program: Program, index: int, service: str, not_final: frozenset[int], referred_to: bool
) -> PreparedExchange:
    step = program.steps[index]
    request, response = step.exchange.request, step.exchange.response
    followed = step.waiting is not None or referred_to or response.status in not_final
    status = None if followed else response.status
    listen = listen_limits(response, needed=bool(step.produces))
    traced = header(request.headers, "traceparent") is not None
    return PreparedExchange(
        index=index,
        service=service,
        name=step.name,
        trace_start=traceparent_start(index),
        recorded=response,
        waiting=step.waiting,
        referred_to=referred_to,
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


def _with_serializer(prepared: PreparedExchange, step: ScriptStep, filled: set[int]) -> PreparedExchange:
    # The values that the request uses must not change before the operation is written or a sweep reads them.
    status = prepared.status
    if not prepared.simple or status is None or not filled.isdisjoint(step.uses):
        return prepared
    serializer = specialised_serializer(step, prepared.index, status, prepared.outcome, prepared.request)
    return structs.replace(prepared, serializer=serializer)

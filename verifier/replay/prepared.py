"""One exchange of a session as a stretch sends it: what is the same in every replay, made once."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from verifier.contracts.lookup import HOLE
from verifier.correlation.execution.compiler import Build
from verifier.correlation.execution.extraction import Learn
from verifier.correlation.execution.program import StepProgram
from verifier.correlation.execution.script import Compiled, Script
from verifier.correlation.text.parts import bits
from verifier.gateway.rotation import Endpoint
from verifier.history.line import base64, operation_line, produced_text, served
from verifier.history.model import Outcome
from verifier.history.outcome import outcome_of
from verifier.http.encode import encode_request
from verifier.http.message import Request
from verifier.replay.context import LATER, Stage
from verifier.replay.resources import Page
from verifier.replay.specialised import pressed
from verifier.replay.track import Stop, Track

_LARGEST = 1 << 16  # bytes of a request's body; larger ones are not kept in several forms


class Press(Struct, frozen=True, gc=False):
    """An exchange's bytes as functions of what differs between replays: for values of unreserved characters alone.

    `text`: of the request; takes the slots' values, how the trace ends, and the authority. `line`: of its operation in
    the history; takes the values, how the trace ends, and what `operation_line` takes.
    """

    text: Callable[[list[str], str, str], bytes]
    line: Callable[[list[str], str, str, str, str, str, str, str, str, str, str], str]
    body: Callable[[list[str]], bytes] | None  # the request's, where it is another one in each replay
    content: str  # where it is not, in base64
    tells: str  # how the line begins to say what was learned, if that is one value at the most; `"]]` ends it


class Served(Struct, frozen=True, gc=False):
    """The operation that a replica took an exchange for, and how a line says both; "" where that is not always so."""

    name: str
    text: str


class Leg(Struct, frozen=True, gc=False):
    """`status` is the recorded one if nothing can follow such an answer: nearly all are such; else -1.

    `plain`: whether the exchange can be part of a stretch. `uses` and `fills`: the slots in its request, and those that
    its answer can fill, one bit each.
    """

    index: int
    stop: Stop
    service: str
    name: str
    begin: str  # of the trace of its first attempt
    status: int
    outcome: Outcome  # of an answer with that status
    plain: bool
    page: Page | None  # where what such an answer holds can be read back
    uses: int
    fills: int
    build: Build
    learn: Learn | None
    press: Press | None
    serving: dict[str, Served]  # by replica

    def asked(self, values: list[str], trace: str) -> Request:
        """Its request, of the trace that ends so."""
        return self.build(values, (("traceparent", self.begin + trace),))

    def served_by(self, stage: Stage, endpoint: Endpoint) -> Served:
        """What to write of the replica that served it; remembered in `serving`."""
        marked = self.build([HOLE] * self.uses.bit_length(), ())
        known, called = stage.promises.settled(self.service, endpoint.version, marked.method, marked.target)
        name = called.id if called is not None else self.name
        try:
            text = served(name, self.service, endpoint.version, endpoint.replica) if known else ""
        except UnicodeEncodeError:
            text = ""
        found = self.serving[endpoint.replica] = Served(name, text)
        return found


def legs(stage: Stage, track: Track) -> tuple[Leg, ...]:
    following = stage.promises.accepting.union(LATER, stage.retry.statuses)
    found: list[Leg] = []
    filled: set[int] = set()  # the slots that an answer may fill, of the exchange or after it
    for index, stop in reversed(tuple(enumerate(track.stops))):
        filled.update(take.slot for take in track.script.compiled[index].takes)
        found.append(_leg(track.script, index, stop, following, filled))
    return tuple(reversed(found))


def _leg(script: Script, index: int, stop: Stop, following: frozenset[int], filled: set[int]) -> Leg:
    step, compiled = script.program.steps[index], script.compiled[index]
    method, recorded = step.recorded.method, stop.recorded.status
    status = recorded if stop.poll is None and recorded not in following else -1
    leg = Leg(
        index=index,
        stop=stop,
        service=stop.service,
        name=stop.name,
        begin=stop.begin,
        status=status,
        outcome=outcome_of(method, stop.recorded, "", sent=True),
        plain=not stop.traced and stop.listen is None and method != "HEAD",
        page=Page(stop.service, index, step.target, step.build) if method == "GET" and status < 300 else None,
        uses=bits(compiled.uses),
        fills=bits(take.slot for take in compiled.takes),
        build=step.build,
        learn=step.learn,
        press=None,
        serving={},
    )
    # What it uses must still be what it was when the operation is written, and when a sweep reads.
    if not filled.isdisjoint(compiled.uses):
        return leg
    return structs.replace(leg, press=_press(leg, step, compiled))


def _press(leg: Leg, step: StepProgram, compiled: Compiled) -> Press | None:
    """None where the exchange has more to it, or its bytes cannot be made so."""
    jar = step.cookie is not None or step.stores_cookies
    if not leg.plain or leg.status == -1 or jar or step.reported or len(step.recorded.body) > _LARGEST:
        return None

    def make_text(values: list[str], trace: str, authority: str) -> bytes:
        return encode_request(leg.asked(values, trace), authority.encode())

    def make_line(values: list[str], trace: str, *told: str) -> str:
        asked = leg.asked(values, trace)
        return operation_line(leg.index, asked.method, asked.target, asked.headers, leg.status, leg.outcome, *told)

    def make_body(values: list[str]) -> bytes:
        return leg.build(values, ()).body

    slots, takes = compiled.uses, compiled.takes
    text, line, body = pressed(make_text, slots, 2), pressed(make_line, slots, 10), pressed(make_body, slots, 0)
    if text is None or line is None or body is None:
        return None
    constant = compiled.woven is None or compiled.woven.body is None
    tells = produced_text(((takes[0].origin.expression, ""),)).removesuffix('"]]') if len(takes) == 1 else ""
    return Press(text, line, None if constant else body, base64(step.recorded.body), tells)

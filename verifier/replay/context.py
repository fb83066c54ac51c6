"""What every replay works with: sends one request to one replica and makes an operation of the history of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct, structs

from verifier.contracts.registry import ContractRegistry
from verifier.gateway.gateway import Cause, Gateway, injection
from verifier.gateway.rotation import Endpoint, Rotation
from verifier.gateway.traces import attempt_traceparent, operation_trace, replay_trace
from verifier.history.model import Operation, Source
from verifier.history.outcome import SAFE, outcome_of
from verifier.history.store import Lines, Record
from verifier.http.client import Hold, ReleaseBarrier, SendResult, WireClient
from verifier.http.coding import TooLarge, decode_response
from verifier.http.framing import BODY_TOO_LARGE
from verifier.http.message import Request, Response, header, with_header
from verifier.http.wirefaults import Faults
from verifier.matrix.model import Retry
from verifier.plan.faults import KILL, LATE_REMOVAL
from verifier.plan.model import Fault
from verifier.replay.computed import Computed
from verifier.replay.credentials import Credentials
from verifier.replay.disturbance import Disturbance
from verifier.replay.listening import ListenLimits, listen_for_events
from verifier.replay.misfits import Misfits
from verifier.replay.turns import Turn
from verifier.replay.waiting_times import WaitingTimes

_UNSENDABLE = re.compile(r"[\x00-\x20\x7f]")
RETRY_STATUSES = (409, 425, 429, 503)  # statuses of responses that may say when to try again


class Attempt(Struct, frozen=True, gc=False):
    """Everything known of a request before it is sent. With `version` "" the rotation chooses the version."""

    step: str
    replay: str
    session: str
    index: int
    number: int
    source: Source
    service: str
    version: str
    fallback: str  # the operation's name where no contract names it
    fault: str = ""
    parent: str = ""
    inner: Fault | None = None
    label: str = ""  # the operation's id, where it is not an attempt of a planned exchange
    trace: str = ""  # the `traceparent` of the first attempt, where the gateway expects it and the request has none
    listen: ListenLimits | None = None  # where an event stream was recorded
    replica: str = ""  # the one that it is meant for, as long as that is in rotation

    @property
    def id(self) -> str:
        return self.label or f"{self.step}/{self.replay}/{self.index + 1}.{self.number}"


@dataclass(slots=True)
class ReplayContext:
    """The parts that replays work with; one for each run."""

    rotation: Rotation
    client: WireClient
    gateway: Gateway
    registry: ContractRegistry
    record: Callable[[Record], None]
    clock: Callable[[], float]  # seconds since the run began
    wall: Callable[[], float]  # seconds since the epoch
    seed: int
    retry: Retry = field(default_factory=Retry)
    timeout: float = 15.0  # seconds for one attempt; a service that needs longer should accept the work
    credentials: Credentials | None = None  # inserted into requests as they are sent, nowhere else
    computed: Computed | None = None  # values that clients compute, written into requests before they are sent
    lines: Lines | None = None  # takes the lines of whole operations, where they need no masking
    waiting_times: WaitingTimes = field(default_factory=WaitingTimes)
    disturbance: Disturbance | None = None  # of the replay that runs alone because of it
    misfits: Misfits = field(default_factory=Misfits)
    turn: Turn = field(default_factory=Turn)  # among the paths that run side by side
    sent: int = 0
    answered: int = 0
    failed: int = 0

    async def send(
        self,
        attempt: Attempt,
        request: Request,
        *,
        hold: Hold | None = None,
        cut_response_after: int | None = None,
        slow_read: float | None = None,
        delivered: bool = True,
    ) -> Operation:
        """Send once. With `delivered` false the response is kept as evidence; its sender knows nothing (`info`).

        A request to a replica that a disturbance has taken away waits until it is back. One that was cut by it is sent
        again if it is safe, and else it is marked as a part of the fault.
        """
        if self.computed is not None:
            request = self.computed.fill(request)
        endpoint = await self._endpoint(attempt)
        if attempt.trace and not attempt.label:
            trace = attempt.trace if attempt.number == 1 else attempt_traceparent(attempt.trace, attempt.number)
            traced = Request(request.method, request.target, (*request.headers, ("traceparent", trace)), request.body)
        else:
            traced = self._traced(attempt, request)
        self.sent += 1
        if endpoint is None:
            result = self._refused(hold)
        else:
            with self.rotation.in_flight(endpoint):
                result = await self._transmit(endpoint, attempt, traced, hold, cut_response_after, slow_read)
            if result.response is None and self.disturbance is not None and self.disturbance.away(endpoint.replica):
                if request.method in SAFE:
                    self.failed += 1
                    return await self.send(attempt, request, delivered=delivered)
                attempt = structs.replace(attempt, fault=KILL)
        return self.finish(attempt, traced, result, endpoint, delivered)

    async def _endpoint(self, attempt: Attempt) -> Endpoint | None:
        found = self._pick(attempt)
        if found is None and self.disturbance is not None:
            await self.disturbance.back()
            found = self._pick(attempt)
        return found

    def _pick(self, attempt: Attempt) -> Endpoint | None:
        """Live traffic alone meets a replica that lingers: what became of accepted work is asked of the others."""
        if attempt.source != "live" or attempt.version:
            return self.rotation.pick(attempt.service, attempt.version)
        meant = self.rotation.endpoint(attempt.replica) if attempt.replica else None
        return meant or self.rotation.pick_late(attempt.service)

    def deadline(self, until: float, within: float) -> float:
        """Until when a waiting of `within` seconds goes on: later than planned where a disturbance delays it."""
        return until if self.disturbance is None else self.disturbance.deadline(until, within)

    def _transmit(
        self,
        endpoint: Endpoint,
        attempt: Attempt,
        request: Request,
        hold: Hold | None,
        cut_response_after: int | None,
        slow_read: float | None,
    ) -> Coroutine[Any, Any, SendResult]:
        address, within = endpoint.address, self.timeout
        sent = request if self.credentials is None else self.credentials.insert(request)
        if attempt.listen is not None:
            faults = Faults(hold, None, cut_response_after, slow_read)
            return listen_for_events(self.client, address.host, address.port, sent, attempt.listen, within, faults)
        late = endpoint.replica in self.rotation.terminating
        return self.client.send(
            address.host,
            address.port,
            sent,
            timeout=within,
            connection=attempt.id if late else None,  # that a service closes idle connections is no refusal
            hold=hold,
            cut_response_after=cut_response_after,
            slow_read=slow_read,
        )

    def finish(
        self, attempt: Attempt, request: Request, result: SendResult, endpoint: Endpoint | None, delivered: bool = True
    ) -> Operation:
        """Count an attempt that has ended; returns the operation that the history keeps of it."""
        service, response, error = attempt.service, result.response, result.error
        if response is not None:
            try:
                response = decode_response(response)
            except TooLarge:
                response, error = None, BODY_TOO_LARGE
        if response is None:
            self.failed += 1
        else:
            self.answered += 1
        version, replica = (endpoint.version, endpoint.replica) if endpoint is not None else (attempt.version, "")
        late = LATE_REMOVAL if replica in self.rotation.terminating else ""
        operation = self.registry.called(service, version, request)
        name = operation.id if operation is not None else attempt.fallback
        completes = self.registry.completes(service, version, name)
        accepted = completes.accepted if completes is not None else 202
        outcome = outcome_of(request.method, response, error, result.sent, accepted)
        # By position, in the order of the model: with names it takes three times as long.
        return Operation(
            attempt.id,
            attempt.step,
            attempt.replay,
            attempt.session,
            attempt.index,
            attempt.number,
            attempt.source,
            name,
            service,
            version,
            replica,
            request,
            response,
            outcome if delivered or response is None else "info",
            result.started,
            result.answered,
            "",
            "",
            error,
            attempt.fault or late,
            attempt.parent,
        )

    def expect_replay(self, step: str, replay: str, session: str, fault: Fault | None) -> str:
        """Let the gateway know the inner calls of a replay; returns what the trace ids of its requests share."""
        trace = replay_trace(step, replay)
        self.gateway.expect_replay(trace, step, replay, session, fault)
        return trace

    def _refused(self, hold: Hold | None) -> SendResult:
        if isinstance(hold, ReleaseBarrier):
            hold.leave()
        now = self.clock()
        return SendResult(None, "refused", False, now, now)

    def _traced(self, attempt: Attempt, request: Request) -> Request:
        """The request with a trace of its own, of which the gateway is told."""
        trace = operation_trace(attempt.id)
        self.gateway.expect(trace, Cause(attempt.id, attempt.step, attempt.replay, attempt.session, attempt.inner))
        return structs.replace(
            request, headers=with_header(request.headers, "traceparent", f"00-{trace}-{trace[:16]}-01")
        )

    def record_fault(self, fault: Fault, *attempts: Operation) -> None:
        """Record a fault, if all of its attempts reached a replica."""
        if all(attempt.error != "refused" for attempt in attempts):
            self.record(injection(fault, attempts[0]))


def same_origin(address: str, asked: str) -> str:
    """Path and query of an address in the response to the target `asked`; it may be absolute or relative to that.

    As a browser sends it: without the fragment, with white space and control characters encoded.
    """
    try:
        parts = urlsplit(urljoin(f"http://service{asked}", address))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    except ValueError:  # brackets that hold no address
        target = address.partition("#")[0]
    return _UNSENDABLE.sub(lambda found: f"%{ord(found[0]):02X}", target if target.startswith("/") else f"/{target}")


def retry_after(response: Response | None) -> float | None:
    """Seconds after which a response asks to try again, at most one; None where it does not ask."""
    if response is None or response.status not in RETRY_STATUSES:
        return None
    asked = header(response.headers, "retry-after")
    if asked is None:
        return None
    return min(1.0, float(asked)) if asked.replace(".", "", 1).isdecimal() else 1.0

"""The gateway: every call between services, and from services to partners, passes through it.

Each replica gets its own addresses for the services and partners that it calls, so the gateway knows the caller.
The gateway chooses the version that serves the call, injects the replay's inner fault, and records the call.
The `traceparent` of a call says which operation made it. A call without one belongs to the replay that runs alone, if
one does. Otherwise it belongs to no replay, and versions take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from verifier.contracts.registry import ContractRegistry
from verifier.gateway.connections import Tunnel, read_whole_body
from verifier.gateway.forwarding import INNER_TIMEOUT, send
from verifier.gateway.holding import Holding
from verifier.gateway.partner import PartnerServer
from verifier.gateway.rotation import Rotation
from verifier.gateway.streaming import Call, StreamedResponse
from verifier.gateway.traces import REPLAY_DIGITS, exchange_and_attempt
from verifier.history.model import FaultInjected, Note, Operation
from verifier.history.outcome import outcome_of
from verifier.history.store import Record
from verifier.http.client import SendResult, WireClient
from verifier.http.message import Request, header
from verifier.http.server import Listener, Peer, Reply, serve
from verifier.plan.model import Fault

LATE = 0.25  # seconds by which a late response is delayed
MOST = 64 << 20  # bytes of a request to a partner


@dataclass(frozen=True, slots=True)
class CallingReplica:
    """The replica that calls through a listener. `callee` is "" where the Host header names the callee."""

    replica: str
    service: str
    version: str
    callee: str


@dataclass(slots=True)
class Cause:
    """The operation that made inner calls, and the inner fault still to be injected into them."""

    operation: str
    step: str
    replay: str
    session: str
    fault: Fault | None = None
    injected: bool = False
    calls: int = 0


@dataclass(slots=True)
class Gateway:
    """`host` is the address to bind; `partners` maps a partner's name to its delay in seconds.
    `admits` says which addresses may call it; all, if it is None.
    """

    host: str
    rotation: Rotation
    client: WireClient
    partner_server: PartnerServer
    registry: ContractRegistry
    partners: dict[str, float]
    ports: dict[str, int]
    record: Callable[[Record], None]
    clock: Callable[[], float]
    admits: Callable[[str], bool] | None = None
    step: str = ""
    traced: int = 0
    untraced: int = 0
    alone: Cause | None = None
    holding: Holding = field(default_factory=Holding)
    _causes: dict[str, Cause] = field(default_factory=dict)
    _replays: dict[str, tuple[str, str, str, Fault | None]] = field(default_factory=dict)
    _listeners: dict[str, list[Listener]] = field(default_factory=dict)
    _unknown: int = 0

    async def attach(self, replica: str, service: str, version: str, callees: tuple[str, ...]) -> dict[str, int]:
        """Open the addresses of one replica. Returns the port for each callee."""
        found = {}
        for callee in callees:
            tag = CallingReplica(replica, service, version, callee)
            listener = await serve(self.handle, self.host, 0, tag, streams=True, admits=self.admits)
            self._listeners.setdefault(replica, []).append(listener)
            found[callee] = listener.port
        return found

    async def detach(self, replica: str) -> None:
        for listener in self._listeners.pop(replica, []):
            await listener.close(0.5)

    async def close(self) -> None:
        await asyncio.gather(*(self.detach(replica) for replica in list(self._listeners)))

    def expect(self, trace: str, cause: Cause) -> None:
        """Calls that carry this trace id belong to this cause."""
        self._causes[trace] = cause

    def expect_replay(self, trace: str, step: str, replay: str, session: str, fault: Fault | None) -> None:
        """Calls whose trace id ends in this belong to a replay. The start of the id names the request."""
        self._replays[trace] = (step, replay, session, fault)

    def forget(self) -> None:
        """Forget all traces and partner memory: a new path begins on fresh stores."""
        self._causes.clear()
        self._replays.clear()
        self.partner_server = PartnerServer(self.registry)

    @property
    def passes_traces(self) -> bool:
        """Whether services forward `traceparent`, as far as has been seen."""
        return self.traced > 0 and self.untraced == 0

    async def handle(self, request: Request, peer: Peer) -> Reply:
        caller = peer.tag
        if not isinstance(caller, CallingReplica):
            raise TypeError("a gateway listener is tagged with its caller")
        await self.holding.passed(caller.replica)
        callee = caller.callee or (header(request.headers, "host") or "").partition(":")[0]
        cause = self._cause(request)
        fault = cause.fault if cause.fault and cause.fault.callee == callee and not cause.injected else None
        if fault is not None:
            cause.injected = True
        if callee in self.partners:
            if peer.upload is not None:
                body = await read_whole_body(peer.upload, MOST, INNER_TIMEOUT)
                if body is None:
                    return Reply(None)
                request = Request(request.method, request.target, request.headers, body)
            return await self._partner(callee, request, caller, cause, fault)
        return await self._service(callee, request, caller, cause, fault, peer)

    def _cause(self, request: Request) -> Cause:
        parts = (header(request.headers, "traceparent") or "").split("-")
        known = self._causes.get(parts[1]) or self._of_replay(parts[1]) if len(parts) > 2 else None
        self.traced += known is not None
        self.untraced += known is None
        if found := known or self.alone:
            return found
        self._unknown += 1
        return Cause(f"{self.step}/inner-{self._unknown}", self.step, "", "")

    def _of_replay(self, trace: str) -> Cause | None:
        """The cause is made with the first call, because most requests of most replays make none."""
        found, at = self._replays.get(trace[-REPLAY_DIGITS:]), exchange_and_attempt(trace)
        if found is None or at is None:
            return None
        step, replay, session, fault = found
        inner = fault if fault is not None and fault.callee and fault.index == at[0] else None
        cause = self._causes[trace] = Cause(f"{step}/{replay}/{at[0] + 1}.{at[1]}", step, replay, session, inner)
        return cause

    async def _partner(
        self, callee: str, request: Request, caller: CallingReplica, cause: Cause, fault: Fault | None
    ) -> Reply:
        started = self.clock()
        result = self.partner_server.respond(callee, request)
        lost = fault is not None and fault.kind == "inner-lost-answer"
        late = self.partners[callee] + (LATE if fault is not None and fault.kind == "inner-late-answer" else 0.0)
        if late:
            await asyncio.sleep(late)
        operation = Operation(
            **self._operation_fields(callee, caller, cause),
            source="partner",
            name=result.name,
            service=callee,
            version="",
            replica="",
            request=request,
            response=result.response,
            outcome="info" if lost else outcome_of(request.method, result.response, "", True),
            started=started,
            ended=self.clock(),
            effect=result.effect,
            fault=fault.kind if fault else "",
        )
        self.record(operation)
        self._injected(fault, operation)
        return Reply(None) if lost else Reply(result.response)

    async def _service(
        self, callee: str, request: Request, caller: CallingReplica, cause: Cause, fault: Fault | None, peer: Peer
    ) -> Reply:
        steer = cause.fault if cause.fault and cause.fault.callee == callee else None
        wanted = "" if steer is None else steer.first if fault is not None else steer.second
        call = self._call(callee, request, caller, cause, wanted, fault)
        if fault is not None and (peer.upload is not None or peer.offers_websocket):
            self._postpone_fault(call, cause)
            fault = None
        found = await self._forward(call, peer)
        if not isinstance(found, Operation):
            return await self._streamed(found, call, cause)
        if fault is not None and fault.kind == "inner-duplicate":
            again = await self._forward(self._call(callee, request, caller, cause, fault.second, fault), peer)
            if isinstance(again, StreamedResponse):
                again.stop("duplicate")
                again.finish()
        if fault is not None and fault.kind == "inner-late-answer":
            await asyncio.sleep(LATE)
        self._injected(fault, found)
        if fault is not None and fault.kind == "inner-lost-answer":
            return Reply(None)
        return Reply(found.response, reset=found.error == "reset")

    async def _streamed(self, found: StreamedResponse | Tunnel, call: Call, cause: Cause) -> Reply:
        """Delay is the only fault that can still be injected into a response that has begun."""
        try:
            if call.fault is not None and call.fault.kind == "inner-late-answer":
                await asyncio.sleep(LATE)
            elif call.fault is not None:
                self._postpone_fault(call, cause)
        except BaseException:
            found.finish()
            raise
        return Reply(None, switch=found) if isinstance(found, Tunnel) else Reply(found.head, stream=found)

    def _postpone_fault(self, call: Call, cause: Cause) -> None:
        """The fault cannot be injected into this call. It is kept for the next one."""
        call.missed, call.fault, cause.injected = call.fault, None, False

    def _call(
        self, callee: str, request: Request, caller: CallingReplica, cause: Cause, wanted: str, fault: Fault | None
    ) -> Call:
        fields = self._operation_fields(callee, caller, cause)
        endpoint = self.rotation.pick(callee, wanted) or self.rotation.pick(callee)
        version = endpoint.version if endpoint else ""
        found = self.registry.operation(callee, version, request.method, request.path)
        name = found.id if found else f"{request.method} {request.path}"
        host = f"{callee}:{self.ports.get(callee, 80)}"
        return Call(fields, name, callee, endpoint, request, host, self.clock(), fault)

    async def _forward(self, call: Call, peer: Peer) -> Operation | StreamedResponse | Tunnel:
        """Make a call. Returns its recorded operation, or a stream that is recorded when it ends."""
        if call.endpoint is None:
            result = SendResult(None, "refused", False, call.started, call.started)
        else:
            in_flight = self.rotation.in_flight(call.endpoint)
            with in_flight:
                found = await send(self.client, call, call.endpoint, peer, in_flight, self.clock, self._on_end)
            if not isinstance(found, SendResult):
                return found
            result = found
        lost = call.fault is not None and call.fault.kind == "inner-lost-answer" and result.response is not None
        operation = call.operation(result.response, result.error, result.sent, result.answered, lost)
        self._recorded(call, operation)
        return operation

    def _recorded(self, call: Call, operation: Operation) -> None:
        self.record(operation)
        if call.missed is not None:
            why = f"{call.missed.kind} was not injected, because it cannot befall what streams"
            self.record(call.note(operation, why))

    def _on_end(self, call: Call, operation: Operation, note: Note | None) -> None:
        """A streamed call has ended."""
        self._recorded(call, operation)
        if note is not None:
            self.record(note)
        if call.fault is not None and call.fault.kind == "inner-late-answer":
            self._injected(call.fault, operation)

    def _operation_fields(self, callee: str, caller: CallingReplica, cause: Cause) -> dict[str, Any]:
        cause.calls += 1
        return {
            "id": f"{cause.operation}/{callee}-{cause.calls}",
            "step": self.step,
            "replay": cause.replay,
            "session": cause.session,
            "index": -1,
            "attempt": cause.calls,
            "caller": caller.service,
            "caller_version": caller.version,
            "parent": cause.operation,
        }

    def _injected(self, fault: Fault | None, operation: Operation) -> None:
        """Record a fault if the call reached the version that the fault names."""
        if fault is not None and operation.error != "refused" and operation.version == fault.first:
            self.record(injection(fault, operation))


def injection(fault: Fault, operation: Operation) -> FaultInjected:
    """The record of a fault that has just happened to an operation."""
    return FaultInjected(
        operation.step,
        operation.replay,
        fault.kind,
        operation.id,
        operation.name,
        fault.first,
        fault.second,
        operation.started,
    )

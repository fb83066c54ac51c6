"""One attempt: a request sent to one replica, as an operation of the history."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import Struct, structs

from verifier.contracts.promises import Promises
from verifier.history.message import Request, Response, header, with_header
from verifier.history.model import Operation, Source
from verifier.history.outcome import outcome_of
from verifier.history.store import Record
from verifier.matrix.model import Retry
from verifier.plan.model import Fault
from verifier.replay.credentials import Credentials
from verifier.replay.gateway import Cause, Gateway, injection
from verifier.replay.rotation import Endpoint, Rotation
from verifier.replay.wire.client import Answer, Hold, Together, WireClient


class Attempt(Struct, frozen=True, gc=False):
    """What is known of a request before it is sent. `version` "" lets the rotation choose."""

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

    @property
    def id(self) -> str:
        return self.label or f"{self.step}/{self.replay}/{self.index + 1}.{self.number}"


@dataclass(slots=True)
class Stage:
    """The living things that a replay works with. One stage serves one run."""

    rotation: Rotation
    client: WireClient
    gateway: Gateway
    promises: Promises
    record: Callable[[Record], None]
    clock: Callable[[], float]
    wall: Callable[[], float]
    seed: int
    retry: Retry = field(default_factory=Retry)
    timeout: float = 15.0  # seconds for one attempt; a service that needs longer should accept the work
    credentials: Credentials | None = None  # put into what is sent, and into nothing else
    sent: int = 0
    answered: int = 0
    failed: int = 0

    async def attempt(
        self,
        what: Attempt,
        request: Request,
        *,
        hold: Hold | None = None,
        cut_answer_after: int | None = None,
        slow_read: float | None = None,
        seen: bool = True,
    ) -> Operation:
        """Send once. With `seen` false the answer is kept as evidence and its sender knows nothing (`info`)."""
        endpoint = self.rotation.pick(what.service, what.version)
        traced = self._traced(what, request)
        self.sent += 1
        if endpoint is None:
            if isinstance(hold, Together):
                hold.leave()
            now = self.clock()
            answer = Answer(None, "refused", False, now, now)
        else:
            with self.rotation.under_way(endpoint):
                answer = await self.client.send(
                    endpoint.address.host,
                    endpoint.address.port,
                    traced if self.credentials is None else self.credentials.put_in(traced),
                    timeout=self.timeout,
                    hold=hold,
                    cut_answer_after=cut_answer_after,
                    slow_read=slow_read,
                )
        self.answered += answer.response is not None
        self.failed += answer.response is None
        return self._operation(what, traced, answer, endpoint, seen)

    def _operation(
        self, what: Attempt, request: Request, answer: Answer, endpoint: Endpoint | None, seen: bool
    ) -> Operation:
        version = endpoint.version if endpoint else what.version
        operation = self.promises.operation(what.service, version, request.method, request.path)
        name = operation.id if operation else what.fallback
        declared = self.promises.guarantees(what.service, version, name)
        accepted = declared.completes.accepted if declared and declared.completes else 202
        outcome = outcome_of(request.method, answer.response, answer.error, answer.sent, accepted)
        return Operation(
            id=what.id,
            step=what.step,
            replay=what.replay,
            session=what.session,
            index=what.index,
            attempt=what.number,
            source=what.source,
            name=name,
            service=what.service,
            version=version,
            replica=endpoint.replica if endpoint else "",
            request=request,
            response=answer.response,
            outcome=outcome if seen or answer.response is None else "info",
            started=answer.started,
            ended=answer.answered,
            error=answer.error,
            fault=what.fault,
            parent=what.parent,
        )

    def _traced(self, what: Attempt, request: Request) -> Request:
        trace = hashlib.blake2b(what.id.encode(), digest_size=16).hexdigest()
        self.gateway.expect(trace, Cause(what.id, what.step, what.replay, what.session, what.inner))
        return structs.replace(
            request, headers=with_header(request.headers, "traceparent", f"00-{trace}-{trace[:16]}-01")
        )

    def injected(self, fault: Fault, *attempts: Operation) -> None:
        """A fault took place where all of its attempts reached a replica."""
        if all(attempt.error != "refused" for attempt in attempts):
            self.record(injection(fault, attempts[0]))


def same_origin(target: str) -> str:
    """Path and query of an address that a service gave, which may be absolute."""
    parts = urlsplit(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def retry_after(answer: Response | None) -> float | None:
    """Seconds after which an answer asks to try again, at most one; None where it does not ask."""
    if answer is None or answer.status not in (409, 425, 429, 503):
        return None
    asked = header(answer.headers, "retry-after")
    if asked is None:
        return None
    return min(1.0, float(asked)) if asked.replace(".", "", 1).isdecimal() else 1.0

"""A recorded session as it is replayed: what each of its exchanges is, and when it came."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from verifier.correlation import Poll, Script, ScriptStep
from verifier.gateway.traces import begin
from verifier.http.message import Response, header
from verifier.replay.listening import Listen, listen_as

SHORT = 0.1  # seconds; the longest gap of a compressed pace


class ScriptedExchange(Struct, frozen=True, gc=False):
    """What each replay of an exchange must know of it. `traced`: the recorded request carries a trace of its own."""

    service: str
    name: str
    recorded: Response
    poll: Poll | None
    traced: bool
    begin: str  # of the trace of its first attempt
    listen: Listen | None = None


def _scripted(index: int, step: ScriptStep, service: str) -> ScriptedExchange:
    request, response = step.exchange.request, step.exchange.response
    traced = header(request.headers, "traceparent") is not None
    listen = listen_as(response, needed=bool(step.produces))
    return ScriptedExchange(service, step.name, response, step.poll, traced, begin(index), listen)


@dataclass(frozen=True, slots=True)
class ReplayScript:
    """One recorded session, analysed, with the service that each of its exchanges goes to.

    `gaps`: recorded seconds between the end of the exchange before and the beginning of each one.
    """

    script: Script
    services: tuple[str, ...]
    gaps: tuple[float, ...] = ()
    scripted_exchanges: tuple[ScriptedExchange, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        both = enumerate(zip(self.script.steps, self.services, strict=True))
        made = tuple(_scripted(index, step, service) for index, (step, service) in both)
        object.__setattr__(self, "scripted_exchanges", made)

    def gap(self, index: int, pace: str) -> float:
        """How long to wait before an exchange, in seconds."""
        if pace == "fast" or index >= len(self.gaps):
            return 0.0
        return self.gaps[index] if pace == "recorded" else min(self.gaps[index], SHORT)

"""What an analysis works on, and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.correlation.analysis.model import Poll
from verifier.correlation.analysis.polls import collapse
from verifier.correlation.analysis.rules import Flow
from verifier.correlation.text.names import RequestPlace
from verifier.recording.model import Exchange, Session


@dataclass(frozen=True, slots=True)
class AnalysedExchange:
    """An exchange, or a run of polling as one; `lender` is the session that it is borrowed from, "" for its own."""

    exchange: Exchange
    poll: Poll | None
    lender: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """A text in the request of step `index` that no earlier answer of the session gives."""

    index: int
    text: str
    place: RequestPlace
    strong: bool
    flow: Flow | None = None  # the rule that says where it comes from


def own_steps(session: Session) -> list[AnalysedExchange]:
    return [AnalysedExchange(exchange, poll) for exchange, poll in collapse(session.exchanges)]

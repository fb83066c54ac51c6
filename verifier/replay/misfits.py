"""Exchanges that the old version does not answer as recorded: they are left out, and the rest of their session goes on.

A recording often holds what another server answered (a page, an asset, a beacon). Such an exchange says nothing of the
rollout. It is learned in the controls with all old and nowhere else: elsewhere another response is a finding. There, a
session goes on from it only where a read was refused that nothing later needs, as a client would.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.correlation import Script, ScriptStep
from verifier.history.model import Operation, Source
from verifier.history.outcome import SAFE
from verifier.plan.model import Replay

# A write that is refused because of others may succeed in the next replay; what follows would read something else.
CONTENTION = frozenset({409, 412, 423, 425, 429})


@dataclass(slots=True)
class Misfits:
    """The exchanges (session, index) that were left out so far. `learning` is true during controls with all old."""

    learning: bool = False
    known: set[tuple[str, int]] = field(default_factory=set)

    def leaves_out(self, planned: Replay, source: Source, script: Script, operation: Operation) -> bool:
        """Whether a session goes on after a response of another status class than the recorded one."""
        index = operation.index
        if (planned.session, index) in self.known:
            return True
        undisturbed = planned.fault is None and source == "replay"
        if not (self.learning and undisturbed and without_effect(operation)):
            return False
        if needed(script, index):
            return False
        self.known.add((planned.session, index))
        return True


def without_effect(operation: Operation) -> bool:
    """Whether nothing was changed: a read was answered, or a write was refused for what it is."""
    if operation.response is None:
        return False
    status = operation.response.status
    return operation.request.method in SAFE or (400 <= status < 500 and status not in CONTENTION)


def passed_by(script: Script, operation: Operation) -> bool:
    """Whether a client goes on from a refused read in any state: nothing was changed, and nothing later needs it.

    It does not where a later exchange is about the same thing, which is not there or not the client's.
    """
    response, index = operation.response, operation.index
    if operation.request.method not in SAFE or response is None or not 400 <= response.status < 500:
        return False
    return not needed(script, index) and not any(
        _same_thing(script.steps[index], later) for later in script.steps[index + 1 :]
    )


def _same_thing(read: ScriptStep, later: ScriptStep) -> bool:
    if read.subject & later.subject:
        return True
    outer, inner = read.exchange.request.path.rstrip("/"), later.exchange.request.path
    written = later.exchange.request.method not in SAFE
    return written and outer != "" and f"{inner}/".startswith(f"{outer}/")


def needed(script: Script, index: int) -> bool:
    """Whether a later exchange needs the response to this one, or what a write would have made."""
    producer, later = script.steps[index], script.steps[index + 1 :]
    if producer.exchange.request.method not in SAFE:
        return any(script.depends(at, index) for at in range(index + 1, len(script.steps)))
    if producer.stores_cookies and any(step.cookie is not None and step.lender == producer.lender for step in later):
        return True
    elsewhere = {extraction.slot for step in script.steps[:index] for extraction in step.extractions}
    own = {extraction.slot for extraction in producer.extractions} - elsewhere
    for step in later:
        if own & step.uses:
            return True
        own -= {extraction.slot for extraction in step.extractions}
    return False

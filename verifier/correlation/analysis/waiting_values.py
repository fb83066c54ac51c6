"""Waitings in a script: which values of a replay their conditions name, and which write they wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from verifier.correlation.analysis.own_values import is_telling, request_values, response_values, words
from verifier.correlation.analysis.slots import SlotTable
from verifier.correlation.analysis.sources import Source
from verifier.correlation.analysis.values import SessionValues
from verifier.correlation.conditions import Condition, CountReaches, EntryAppears, StatusIs, count_at
from verifier.correlation.model import ScriptStep
from verifier.correlation.response_view import OwnValue, ResponseView
from verifier.correlation.text.classes import is_short_id, is_unique
from verifier.correlation.waiting import Waiting
from verifier.history.outcome import SAFE

_MOST_BEFORE = 100  # steps that are looked back on


@dataclass(frozen=True, slots=True)
class WaitingValues:
    """Finds, for one session, what its waitings are in a replay."""

    steps: Sequence[ScriptStep]
    values: SessionValues
    slots: SlotTable

    def bound(self) -> list[ScriptStep]:
        """The steps, with slots for the values in their waitings that differ between replays."""
        words_of = lru_cache(maxsize=2 * _MOST_BEFORE)(self._words)
        return [
            step if step.waiting is None else replace(step, waiting=self._waiting(index, step.waiting, words_of))
            for index, step in enumerate(self.steps)
        ]

    def _words(self, index: int) -> frozenset[str]:
        """All words that the exchange of a step says."""
        exchange = self.steps[index].exchange
        values = (*request_values(exchange.request), *response_values(exchange.response))
        return frozenset(word for _, text in values for word in words(text))

    def _waiting(self, index: int, waiting: Waiting, words_of: Callable[[int], frozenset[str]]) -> Waiting:
        """The waiting of one step.

        A condition on a value that no step before has could never hold and is left out, and so is one on the absence
        of a value that other replays may show as well. What is left is at least the status.
        """
        write = _write(waiting, index, self.steps, words_of)
        until = [bound for condition in waiting.until if (bound := self._condition(condition, index, write))]
        if waiting.until and not until:
            until = [StatusIs(waiting.status)]
        lasted = waiting.lasted
        if write is not None:
            accepted, shown = self.steps[write].exchange, self.steps[index].exchange
            lasted = max(lasted, shown.at + shown.took - accepted.at - accepted.took)
        return replace(waiting, until=tuple(until), write=write, lasted=round(lasted, 6))

    def _condition(self, condition: Condition, index: int, write: int | None) -> Condition | None:
        values: dict[OwnValue, OwnValue] = {}
        for own in condition.own:
            known = self._own(own, index)
            if known is None or (isinstance(condition, EntryAppears) and condition.leaves and known.slot is None):
                return None
            values[own] = known
        made = condition.with_values(values.__getitem__)
        return _counted(made, index, write, self.steps) if isinstance(made, CountReaches) else made

    def _own(self, own: OwnValue, index: int) -> OwnValue | None:
        """A value that step `index` waits for: made up by the client, issued by a response, a text around such a
        value, or the same in every replay. None for a value of another session that no step before has.
        """
        text = own.text
        if self.slots.is_fresh(text):
            return replace(own, slot=self.slots.fresh(text))
        issued = [source for source in self._sources(text) if source.index < index]
        sent = self.values.occurrences[text][0].index if text in self.values.occurrences else None
        if issued and (sent is None or issued[0].index < sent):
            source = min(issued, key=lambda source: (source.locator.listed, source.index, source.depth))
            return replace(own, slot=self.slots.learned(text, [(source, True)], source.field))
        parts = [
            (len(slot.recorded), number)
            for number, slot in enumerate(self.slots.slots)
            if not own.member and slot.recorded in text and is_unique(slot.recorded)
        ]
        if parts:
            number = max(parts)[1]
            return OwnValue(self.slots.slots[number].recorded, slot=number)
        return own if not self.steps[index].lender or (sent is not None and sent < index) else None

    def _sources(self, text: str) -> Sequence[Source]:
        return self.values.sources[text].all if text in self.values.sources else ()


def _counted(condition: CountReaches, index: int, write: int | None, steps: Sequence[ScriptStep]) -> CountReaches:
    """With the last equal read before the write, from which on a replay counts."""
    recorded = steps[index].exchange
    for before in range((index if write is None else write) - 1, -1, -1):
        exchange = steps[before].exchange
        same = (exchange.request.method, exchange.request.target, exchange.host) == (
            recorded.request.method, recorded.request.target, recorded.host,
        )  # fmt: skip
        start = count_at(ResponseView(exchange.response), condition.path) if same else None
        if start is not None:
            change = condition.limit - start
            return replace(condition, before=before, change=change) if (change > 0) == condition.rises else condition
    return condition


def _write(
    waiting: Waiting, index: int, steps: Sequence[ScriptStep], words_of: Callable[[int], frozenset[str]]
) -> int | None:
    """The last write with values of the read or its conditions, else the last accepted one, else the last."""
    read = steps[index]
    said = {own.text for own in waiting.own}
    said.update(text for _, text in request_values(read.exchange.request) if is_telling(text) or is_short_id(text))
    best: tuple[bool, bool, int] | None = None
    for at in range(max(0, index - _MOST_BEFORE), index):
        exchange = steps[at].exchange
        if exchange.request.method in SAFE or steps[at].lender != read.lender or exchange.response.status >= 400:
            continue
        has_values = not words_of(at).isdisjoint(said)
        best = max(best or (False, False, at), (has_values, exchange.response.status == 202, at))
    return best[2] if best is not None else None

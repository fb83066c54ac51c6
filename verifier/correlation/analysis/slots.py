"""The slots of one session, and the extractions that fill them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from verifier.correlation.analysis.rules import Flow
from verifier.correlation.analysis.sources import Source
from verifier.correlation.list_elements import siblings
from verifier.correlation.model import Extraction, ScriptStep, Slot
from verifier.correlation.text.json import cached_json
from verifier.correlation.text.names import MessageField
from verifier.correlation.text.times import Moment


class SlotTable:
    """Each value has one slot, in however many places it is used. `extractions` are by the index of their step."""

    def __init__(self, steps: Sequence[ScriptStep]) -> None:
        self.slots: list[Slot] = []
        self.extractions: dict[int, list[Extraction]] = defaultdict(list)
        self._steps = steps
        self._by_key: dict[object, int] = {}

    def fresh(self, text: str, moment: Moment | None = None) -> int:
        """The slot of a value that the client makes up."""
        return self._slot(("fresh", text), Slot(text, fresh=True, moment=moment))[0]

    def is_fresh(self, text: str) -> bool:
        """Whether the client made a text up, so that each replay has another one."""
        return ("fresh", text) in self._by_key

    def learned(self, text: str, ranked: Sequence[tuple[Source, bool]], field: MessageField) -> int:
        """The slot of a value that responses give, filled from the `ranked` sources, the chosen one first."""
        chosen = ranked[0][0]
        slot, new = self._slot((text, chosen.index, chosen.locator), Slot(text, use=field.via or field.name))
        if new:
            for rank, (source, equal) in enumerate(ranked):
                extraction = Extraction(slot, source.locator, rank, equal, self._siblings(source))
                self.extractions[source.index].append(extraction)
        return slot

    def by_rule(self, text: str, flow: Flow, index: int, field: MessageField) -> int:
        """The slot of a value that a rule takes from the response of step `index`."""
        slot, new = self._slot(("rule", flow, index), Slot(text, use=field.via))
        if new:
            self.extractions[index].append(Extraction(slot, flow.locator, 0, False))
        return slot

    def _slot(self, key: object, slot: Slot) -> tuple[int, bool]:
        """The number of a slot, and whether it is new."""
        known = self._by_key.get(key)
        if known is not None:
            return known, False
        self._by_key[key] = len(self.slots)
        self.slots.append(slot)
        return len(self.slots) - 1, True

    def _siblings(self, source: Source) -> tuple[tuple[str, str], ...]:
        if not source.locator.listed:
            return ()
        return siblings(cached_json(self._steps[source.index].exchange.response.body), source.locator.key)

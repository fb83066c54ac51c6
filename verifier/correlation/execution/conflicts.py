"""Slots that several sources fill: which source counts, and whether they contradict each other."""

from __future__ import annotations

from verifier.correlation.model import Extraction, Locator


class SourceConflicts:
    """What one replay knows about the slots that several sources can fill."""

    __slots__ = ("_confirmed", "_learned", "differing")

    def __init__(self) -> None:
        self.differing: dict[int, tuple[Locator, str]] = {}
        self._learned: dict[int, Extraction] = {}
        self._confirmed: set[int] = set()  # slots filled from a source as good as the chosen one

    def ignores(self, extraction: Extraction) -> bool:
        """Whether no value of this extraction could change anything."""
        known = self._learned.get(extraction.slot)
        return (
            known is not None
            and extraction.rank > known.rank
            and not (extraction.equal and extraction.slot in self._confirmed)
        )

    def learn(self, extraction: Extraction, value: str, values: list[str], unresolved: int) -> int:
        """Fill the slot unless a better source has; returns the unresolved slots anew (one bit each)."""
        slot, bit = extraction.slot, 1 << extraction.slot
        known = self._learned.get(slot)
        if known is not None:
            rival = extraction.equal and slot in self._confirmed and extraction.rank != known.rank
            if rival and values[slot] != value:
                worse = (extraction.locator, value) if extraction.rank > known.rank else (known.locator, values[slot])
                self.differing[slot] = worse
                unresolved |= bit
            if extraction.rank > known.rank:
                return unresolved
        else:
            unresolved &= ~bit
        if extraction.equal:
            self._confirmed.add(slot)
        values[slot] = value
        self._learned[slot] = extraction
        return unresolved

    def ambiguity(self, slot: int, value: str, use: str) -> str:
        """The message about a slot whose sources differ."""
        locator, other = self.differing[slot]
        chosen = self._learned[slot].locator.expression
        return (
            f"{use} may come from {chosen} ({value!r}) or from {locator.expression} ({other!r}); "
            f"settle it with rules: flows: [{{from: {chosen}, to: {use}}}]"
        )

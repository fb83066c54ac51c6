"""Values that several places of the answers may give: which one counts, and whether they contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.correlation.analysis.model import Origin

if TYPE_CHECKING:
    from verifier.correlation.execution.script import Extraction


class SourceConflicts:
    """What one replay knows about the slots that can be filled from more than one place."""

    __slots__ = ("_firm", "_learned", "differing")

    def __init__(self) -> None:
        self.differing: dict[int, tuple[Origin, str]] = {}
        self._learned: dict[int, Extraction] = {}
        self._firm: set[int] = set()  # slots filled from a place as good as the chosen one

    def ignores(self, extraction: Extraction) -> bool:
        """Whether nothing that the take finds could change anything."""
        known = self._learned.get(extraction.slot)
        return (
            known is not None
            and extraction.rank > known.rank
            and not (extraction.equal and extraction.slot in self._firm)
        )

    def learn(self, extraction: Extraction, value: str, values: list[str], unresolved: int) -> int:
        """Fill the slot unless a better place has; returns the troubled slots anew (one bit each)."""
        slot, bit = extraction.slot, 1 << extraction.slot
        known = self._learned.get(slot)
        if known is not None:
            rival = extraction.equal and slot in self._firm and extraction.rank != known.rank
            if rival and values[slot] != value:
                worse = (extraction.origin, value) if extraction.rank > known.rank else (known.origin, values[slot])
                self.differing[slot] = worse
                unresolved |= bit
            if extraction.rank > known.rank:
                return unresolved
        else:
            unresolved &= ~bit
        if extraction.equal:
            self._firm.add(slot)
        values[slot] = value
        self._learned[slot] = extraction
        return unresolved

    def ambiguity(self, slot: int, value: str, use: str) -> str:
        """What to tell about a slot whose places differ."""
        origin, other = self.differing[slot]
        chosen = self._learned[slot].origin.expression
        return (
            f"{use} may come from {chosen} ({value!r}) or from {origin.expression} ({other!r}); "
            f"settle it with rules: flows: [{{from: {chosen}, to: {use}}}]"
        )

"""Values that several places of the answers may give: which one counts, and whether they contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.correlation.analysis.model import Origin

if TYPE_CHECKING:
    from verifier.correlation.execution.script import Take


class Rivals:
    """What one replay knows about the slots that can be filled from more than one place."""

    __slots__ = ("_firm", "_learned", "differing")

    def __init__(self) -> None:
        self.differing: dict[int, tuple[Origin, str]] = {}
        self._learned: dict[int, Take] = {}
        self._firm: set[int] = set()  # slots filled from a place as good as the chosen one

    def ignores(self, take: Take) -> bool:
        """Whether nothing that the take finds could change anything."""
        known = self._learned.get(take.slot)
        return known is not None and take.rank > known.rank and not (take.equal and take.slot in self._firm)

    def learn(self, take: Take, value: str, values: list[str], troubled: int) -> int:
        """Fill the slot unless a better place has; returns the troubled slots anew (one bit each)."""
        slot, bit = take.slot, 1 << take.slot
        known = self._learned.get(slot)
        if known is not None:
            rival = take.equal and slot in self._firm and take.rank != known.rank
            if rival and values[slot] != value:
                worse = (take.origin, value) if take.rank > known.rank else (known.origin, values[slot])
                self.differing[slot] = worse
                troubled |= bit
            if take.rank > known.rank:
                return troubled
        else:
            troubled &= ~bit
        if take.equal:
            self._firm.add(slot)
        values[slot] = value
        self._learned[slot] = take
        return troubled

    def ambiguity(self, slot: int, value: str, use: str) -> str:
        """What to tell about a slot whose places differ."""
        origin, other = self.differing[slot]
        chosen = self._learned[slot].origin.expression
        return (
            f"{use} may come from {chosen} ({value!r}) or from {origin.expression} ({other!r}); "
            f"settle it with rules: flows: [{{from: {chosen}, to: {use}}}]"
        )

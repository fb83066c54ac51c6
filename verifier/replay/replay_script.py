"""A recorded session as it is replayed: where each of its exchanges is sent, and when it was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from verifier.correlation import Player, Program, Script, compile_script

LONGEST_COMPRESSED_GAP = 0.1  # seconds; the longest gap of a compressed pace


@dataclass(frozen=True, slots=True)
class ReplayScript:
    """One recorded session, analysed, with the service that each of its exchanges goes to.

    `gaps`: recorded seconds between the end of the exchange before and the beginning of each one.
    """

    script: Script
    services: tuple[str, ...]
    gaps: tuple[float, ...] = ()
    _program: Program | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def program(self) -> Program:
        """The compiled script, made at its first use: most commands only read a recording."""
        program = self._program
        if program is None:
            program = compile_script(self.script)
            object.__setattr__(self, "_program", program)  # derived from the rest: the same whenever it is made
        return program

    def player(self, key: str, now: float) -> Player:
        """One replay of the session; see `Player`."""
        return Player(self.program, key, now)

    def gap(self, index: int, pace: str) -> float:
        """How long to wait before an exchange, in seconds."""
        if pace == "fast" or index >= len(self.gaps):
            return 0.0
        return self.gaps[index] if pace == "recorded" else min(self.gaps[index], LONGEST_COMPRESSED_GAP)


def service_of(host: str, services: Mapping[str, int], fallback: str) -> str:
    """The service that a recorded authority names, by host name; else the one that the traffic declares."""
    name = urlsplit(f"//{host}").hostname or ""
    return name if name in services else fallback


def recorded_gaps(script: Script) -> tuple[float, ...]:
    """Recorded pauses in seconds before each exchange; 0 for exchanges of other sessions."""
    gaps: list[float] = []
    ended: float | None = None
    for step in script.steps:
        exchange = step.exchange
        gaps.append(0.0 if ended is None or step.lender else max(0.0, exchange.at - ended))
        ended = ended if step.lender else exchange.at + exchange.took
    return tuple(gaps)

"""A recorded session as it is replayed: where each of its exchanges is sent, and when it was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

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

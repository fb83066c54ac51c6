"""What one replay does to replicas that have accepted its work, and what it asks the rehearsal for.

The replay runs alone, because nobody else may use these replicas meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from verifier.history.model import Note, Operation
from verifier.plan.model import Fault
from verifier.replay.waiting_times import Missed

Tell = Callable[[Note | None], None]  # called once it has happened, or with a note that tells why it could not


class Replicas(Protocol):
    """What the rehearsal offers to replays."""

    async def pause(self, service: str, version: str, replica: str) -> bool:
        """Take replicas out of rotation and stop them where they are; returns whether they stand still.

        With a `replica` that one alone; else all of a version, with the workers that belong to it.
        """

    async def resume(self) -> None:
        """Let all that is paused go on, and put it back into rotation. Idempotent."""

    def names(self, service: str, version: str) -> tuple[str, ...]:
        """The replicas of a version that run, in the order of their starts."""

    async def kill(self, service: str, version: str) -> None:
        """End all replicas of a version without telling them."""

    async def replace(self) -> None:
        """Start another replica for each that was killed, and wait until they are ready. Raises what a start raises."""


class Disturbance:
    """The base of the kinds: one of them is made for each replay that has such a fault."""

    __slots__ = ()

    @property
    def since(self) -> float:
        """When the replicas were back, in seconds of the run; 0.0 while they were never away."""
        return 0.0

    async def begin(self, fault: Fault, operation: Operation, tell: Tell) -> None:
        """Work was accepted by `operation`."""
        raise NotImplementedError

    @property
    def missed(self) -> Missed:
        """Whether it has failed to meet the work as it was meant to, so that it has shown nothing."""
        return ""

    def work_ended(self, accepted: str, open_at: float) -> None:
        """The work has ended: what was to happen in the middle of it is too late.

        `accepted` is the operation that accepted it, as far as that is known, and `open_at` when the last read that
        showed it open was sent, in seconds of the run.
        """

    async def end(self) -> None:
        """Put everything right, however the replay has ended. Raises what the start of a replica raises."""
        raise NotImplementedError

    async def back(self) -> None:
        """Wait until replicas that are away are back."""

    def away(self, replica: str) -> bool:
        """Whether a replica was ended by this disturbance."""
        return False

    def deadline(self, until: float, within: float) -> float:
        """Until when to wait: as planned (`until`), or `within` seconds from when the replicas are back."""
        return until

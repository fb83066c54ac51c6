"""The position of one replay in its session, and its state."""

from __future__ import annotations

from functools import lru_cache

from verifier.correlation import Player
from verifier.history.model import Operation, Source
from verifier.plan.model import Replay
from verifier.replay.context import Attempt
from verifier.replay.prepared import PreparedExchange
from verifier.replay.replay_script import ReplayScript


@lru_cache(maxsize=4096)
def distinct(versions: tuple[str, ...]) -> tuple[str, ...]:
    """The versions, each once and sorted: one object for all resources that the same versions touched."""
    return tuple(sorted(set(versions)))


class ReplayCursor:
    """One replay of a step under way. `at` is a position in `order`, which holds the exchanges as they are sent.

    `fault_targets`: the exchanges that the fault concerns. `trace`: how the traces of this replay end. `versions`:
    those that have answered, each once, sorted. `first_attempt`: of the exchange at `at`, where it has been made.
    `meant_for`: a service, and its replica that all requests for it are sent to while that is in rotation.
    """

    __slots__ = (
        "at",
        "fault_targets",
        "first_attempt",
        "meant_for",
        "order",
        "planned",
        "player",
        "prepared_exchanges",
        "replay_script",
        "source",
        "step",
        "trace",
        "versions",
    )

    def __init__(
        self,
        step: str,
        planned: Replay,
        replay_script: ReplayScript,
        prepared_exchanges: tuple[PreparedExchange, ...],
        player: Player,
        trace: str,
        source: Source,
    ) -> None:
        self.step = step
        self.planned = planned
        self.replay_script = replay_script
        self.prepared_exchanges = prepared_exchanges
        self.player = player
        self.trace = trace
        self.source: Source = source
        self.order, self.fault_targets = _order(planned)
        self.at = 0
        self.versions: tuple[str, ...] = ()
        self.first_attempt: Operation | None = None
        self.meant_for = ("", "")

    @property
    def over(self) -> bool:
        return self.at == len(self.order)

    def add_version(self, version: str) -> None:
        """Note a version that has answered."""
        if version not in self.versions:
            self.versions = distinct((*self.versions, version))

    def attempt(self, index: int) -> Attempt:
        """The first attempt of an exchange, with its part of the fault."""
        prepared, fault = self.prepared_exchanges[index], self.planned.fault
        concerned = fault if fault is not None and index in self.fault_targets else None
        return Attempt(
            self.step,
            self.planned.id,
            self.planned.session,
            index,
            1,
            self.source,
            prepared.service,
            self.planned.route[index],
            prepared.name,
            fault=concerned.kind if concerned is not None and (concerned.inner or concerned.kind == "reorder") else "",
            inner=concerned if concerned is not None and concerned.inner else None,
            trace="" if prepared.traced else prepared.trace_start + self.trace,
            listen=prepared.listen,
            replica=self.meant_for[1] if prepared.service == self.meant_for[0] else "",
        )


@lru_cache(maxsize=1024)
def _in_order(length: int) -> tuple[int, ...]:
    return tuple(range(length))


def _order(planned: Replay) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The exchanges in the order in which they are sent, and those that the fault targets."""
    order, fault = _in_order(len(planned.route)), planned.fault
    if fault is None:
        return order, ()
    if fault.kind != "reorder":
        return order, (fault.index,)
    at = fault.index
    return (*order[:at], at + 1, at, *order[at + 2 :]), (at, at + 1)

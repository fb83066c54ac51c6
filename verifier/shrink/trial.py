"""Runs candidates: the plan of a reproduction, its rehearsal on fresh stores, and how often each candidate shows it.

Candidates that visit the same states run together, each as a session of its own, and are judged apart.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from verifier.errors import BadInput
from verifier.history.model import Timing
from verifier.history.store import read
from verifier.matrix.pairs import safe_name
from verifier.plan.confirmation import Target, repeated
from verifier.plan.faults import ON_REPLICAS, cell
from verifier.plan.model import Count, Coverage, LeftOut, Path, Plan, PlannedStep, Replay, SessionShape
from verifier.rehearsal.events import Event
from verifier.rehearsal.prepare import Prepared, analysed, shape
from verifier.rehearsal.walk import Rehearsal
from verifier.replay.replay_script import ReplayScript
from verifier.runtime.select import Selection, make
from verifier.shrink.layout import layout
from verifier.shrink.sought import Sighting, Sought, seen
from verifier.shrink.units import FAULT, Item, Replayed, aimed, part

Candidate = tuple[Item, ...]
PARALLEL = 2  # paths at a time
CarryOut = Callable[[Coroutine[Any, Any, Timing]], object]  # runs a rehearsal to its end


@dataclass(frozen=True, slots=True)
class States:
    """Which steps of the plan a trial visits with traffic, and whether live traffic runs while replicas are changed."""

    kept: tuple[str, ...]
    live: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    """A candidate, ready to run: its sessions and targets."""

    scripts: Mapping[str, ReplayScript]
    targets: tuple[Target, ...]


@dataclass(slots=True)
class Bench:
    """Tries candidates for one violation. `tries` is how often each replay is sent; `runs` counts the rehearsals."""

    prepared: Prepared
    plan: Plan  # of the run that showed the violation
    sought: Sought
    replays: tuple[Replayed, ...]
    made_up: frozenset[str]
    runtime: Selection
    carry_out: CarryOut
    tries: int
    runs: int = 0
    _name: str = field(default_factory=lambda: secrets.token_hex(4))

    def sightings(self, states: States, candidates: Sequence[Candidate]) -> list[Sighting]:
        """How often each candidate shows the violation. Raises BrokenEnvironment."""
        made = [self._made(candidate, f"c{number}-") for number, candidate in enumerate(candidates, 1)]
        ready = [entry for entry in made if entry is not None]
        if not ready and any(candidates):
            return [Sighting(0, 0)] * len(candidates)
        scripts = {name: script for entry in ready for name, script in entry.scripts.items()}
        plan = self.planned(states, scripts, [target for entry in ready for target in entry.targets], self.tries)
        with tempfile.TemporaryDirectory(prefix="verifier-shrink-") as folder:
            directory = FilePath(folder)
            self._rehearse(replace(self.prepared, replay_scripts=scripts, plan=plan), directory)
            history = read(directory)
        return [
            Sighting(0, 0) if entry is None
            else seen(self.sought, history, self.prepared.registry, plan, entry.scripts or None)
            for entry in made
        ]  # fmt: skip

    def seen_alone(self, prepared: Prepared) -> Sighting:
        """How often a prepared reproduction shows the violation."""
        with tempfile.TemporaryDirectory(prefix="verifier-shrink-") as folder:
            self._rehearse(prepared, FilePath(folder))
            return seen(self.sought, read(FilePath(folder)), prepared.registry, prepared.plan)

    def _rehearse(self, prepared: Prepared, directory: FilePath) -> None:
        self.runs += 1
        name = f"{safe_name(prepared.matrix.name)[:20]}-{self._name}-{self.runs}"
        runtime = make(self.runtime.name, name, directory)
        rehearsal = Rehearsal(
            prepared, runtime, self.runtime.reason, directory, _ignored, parallel=side_by_side(prepared.plan)
        )
        self.carry_out(rehearsal.run())

    def _made(self, candidate: Candidate, prefix: str) -> _Made | None:
        """None if the candidate is no recording that could be replayed."""
        scripts: dict[str, ReplayScript] = {}
        targets: list[Target] = []
        for number, entry in enumerate(self.replays):
            kept = [at for replay, at in candidate if replay == number and at != FAULT]
            if not kept:
                continue
            before = f"{prefix}{number + 1}-"
            try:
                found = analysed(self.prepared.matrix, entry.traffic, part(entry, kept), before)
            except BadInput:  # such as a rule about an exchange that is not there
                return None
            name = f"{before}{entry.session}"
            target = aimed(entry, found[name].script, name, (number, FAULT) in candidate) if name in found else None
            if target is None:
                return None
            scripts |= found
            targets.append(target)
        return _Made(scripts, tuple(targets))

    def planned(
        self, states: States, scripts: Mapping[str, ReplayScript], targets: Sequence[Target], tries: int
    ) -> Plan:
        """The plan that sends each target so many times in every state."""
        matrix, registry = self.prepared.matrix, self.prepared.registry
        shapes = {name: shape(name, script, registry, matrix) for name, script in scripts.items()}
        paths = tuple(
            replace(path, steps=tuple(self._steps(path, targets, shapes, tries)))
            for path in layout(self.plan, self.sought.attribution, states.kept, states.live)
        )
        return replace(
            self.plan, paths=paths, sessions=tuple(shapes.values()), confirmation=(), repeated=True,
            coverage=_coverage(self.plan, paths, shapes),
        )  # fmt: skip

    def _steps(
        self, path: Path, targets: Sequence[Target], shapes: Mapping[str, SessionShape], tries: int
    ) -> Iterator[PlannedStep]:
        proofs = {step.id: step.proofs for step in self.plan.steps}
        for at, step in enumerate(path.steps):
            replays = sorted(repeated(path.steps, at, targets, shapes, self.plan.seed, tries), key=_alone)
            wanted = tuple(proof for proof in proofs.get(step.id, ()) if proof.id in self.made_up)
            yield replace(step, replays=tuple(replays), proofs=wanted)


def _alone(replay: Replay) -> bool:
    """Whether a replay runs by itself: these come last, so that the others run at once."""
    return replay.fault is not None and (replay.fault.kind in ON_REPLICAS or replay.fault.inner)


def side_by_side(plan: Plan) -> int:
    """How many paths of a reproduction run at a time: one where a fault depends on moments, else two."""
    faults = (replay.fault for step in plan.steps for replay in step.replays)
    return 1 if any(fault is not None and fault.kind in ON_REPLICAS for fault in faults) else PARALLEL


def _coverage(plan: Plan, paths: Sequence[Path], shapes: Mapping[str, SessionShape]) -> Coverage:
    """A reproduction covers next to nothing, and says so."""
    whole, why = plan.coverage, "this is a reproduction of one violation, and not a rehearsal"
    left = LeftOut("states, routes and faults that do not show it", why, 1)
    faults = {
        cell(shapes[replay.session].exchanges[replay.fault.index].service, replay.fault)
        for path in paths
        for step in path.steps
        for replay in step.replays
        if replay.fault is not None
    }
    states, transitions = Count(0, whole.states.total), Count(0, whole.transitions.total)
    return Coverage(states, transitions, Count(0, whole.routes.total), Count(len(faults), whole.faults.total), (left,))


def _ignored(event: Event) -> None:
    """The progress of a search is told by candidate, not by replay."""

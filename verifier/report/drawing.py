"""The rollout as a drawing: states are columns of replica boxes, steps are chips under the state they lead to.

Only geometry, in SVG user units (one is a CSS pixel); the page's template turns it into SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from verifier.history.model import Replicas, ServiceInfo
from verifier.plan.model import Path, PlannedStep
from verifier.report.phrasing import listed, mixture, shortened

BOX, BOX_HIGH, PER_ROW = 50, 24, 2
MOST = 20  # replicas of a version that are drawn; a matrix declares no more
WIDE = PER_ROW * (BOX + 6) + 10  # of a column
GAP = 38
LEFT = 104  # room for the names of services
CHIP, CHIPS_PER_ROW = 26, 4
ARC = 20  # between two levels of arcs

Tone = Literal["old", "new", "mid", "same"]
Key = tuple[tuple[Replicas, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Box:
    """One replica."""

    x: int
    y: int
    label: str
    tone: Tone
    title: str


@dataclass(frozen=True, slots=True)
class Chip:
    """One step; `number` is its place in the path, `anchor` its row in the table ("" when it was not run)."""

    x: int
    y: int
    number: str
    verdict: str
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """`curve` is an SVG path; `back` marks going back."""

    curve: str
    back: bool
    verdict: str
    label: str
    x: int
    y: int
    title: str


@dataclass(frozen=True, slots=True)
class Column:
    x: int
    title: str
    migrations: str
    boxes: tuple[Box, ...]
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """A service's row."""

    y: int
    name: str


@dataclass(frozen=True, slots=True)
class Drawing:
    path: str
    kind: str
    width: int
    height: int
    top: int  # of the columns
    bottom: int
    column: int  # how wide one is
    lanes: tuple[Lane, ...]
    columns: tuple[Column, ...]
    arrows: tuple[Arrow, ...]


def draw(
    path: Path, services: Sequence[ServiceInfo], verdicts: Mapping[str, str], anchors: Mapping[str, str]
) -> Drawing:
    """`verdicts` and `anchors` are by step id; a step without a verdict was not run."""
    states = _states(path, services)
    arcs = _arcs(path, states)
    over = _levels([arc for arc in arcs if _above(arc)])
    under = _levels([arc for arc in arcs if arc[0] > arc[1]])
    top = 12 + ARC * (max(over.values(), default=-1) + 1)
    lanes, foot = _lanes(services, states, top + 22)
    columns = tuple(
        _column(path, state, number, lanes, foot, services, verdicts, anchors) for number, state in enumerate(states)
    )
    rows = max(-(-len(column.chips) // CHIPS_PER_ROW) for column in columns)
    bottom = foot + 8 + rows * (CHIP + 4)
    arrows = tuple(
        _arrow(arc, steps, (over | under).get(arc, 0), (top, foot, bottom), verdicts) for arc, steps in arcs.items()
    )
    height = bottom + 14 + ARC * (max(under.values(), default=-1) + 1)
    width = LEFT + len(states) * WIDE + (len(states) - 1) * GAP + 8
    return Drawing(path.id, path.kind, width, height, top, bottom, WIDE, lanes, columns, arrows)


def _states(path: Path, services: Sequence[ServiceInfo]) -> list[Key]:
    """The states by progress, so that going back goes to the left: first newer replicas, then migrations count."""
    ages = {(service.name, version): age for service in services for age, version in enumerate(service.versions)}

    def progress(key: Key) -> tuple[int, int]:
        return sum(entry.count * ages.get((entry.service, entry.version), 0) for entry in key[0]), len(key[1])

    return sorted(dict.fromkeys(_key(step) for step in path.steps), key=progress)


def _key(step: PlannedStep) -> Key:
    return step.state, step.migrations


def _arcs(path: Path, states: list[Key]) -> dict[tuple[int, int], list[PlannedStep]]:
    """The steps that lead from one column to another."""
    found: dict[tuple[int, int], list[PlannedStep]] = {}
    for before, after in zip(path.steps, path.steps[1:], strict=False):
        arc = states.index(_key(before)), states.index(_key(after))
        if arc[0] != arc[1]:
            found.setdefault(arc, []).append(after)
    return found


def _above(arc: tuple[int, int]) -> bool:
    return arc[1] > arc[0] + 1


def _levels(arcs: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Short arcs nearest to the columns; each arc on the lowest level where it crosses none."""
    found: dict[tuple[int, int], int] = {}
    for arc in sorted(arcs, key=lambda arc: (abs(arc[0] - arc[1]), arc)):
        low, high = sorted(arc)
        taken = {level for other, level in found.items() if min(other) < high and low < max(other)}
        found[arc] = next(level for level in range(len(arcs)) if level not in taken)
    return found


def _lanes(services: Sequence[ServiceInfo], states: list[Key], y: int) -> tuple[tuple[Lane, ...], int]:
    lanes = []
    for service in services:
        most = max(sum(entry.count for entry in state if entry.service == service.name) for state, _ in states)
        lanes.append(Lane(y, shortened(service.name, 16)))
        y += max(1, -(-most // PER_ROW)) * (BOX_HIGH + 5) + 9
    return tuple(lanes), y


def _x(number: int) -> int:
    return LEFT + number * (WIDE + GAP)


def _column(
    path: Path,
    key: Key,
    number: int,
    lanes: tuple[Lane, ...],
    foot: int,
    services: Sequence[ServiceInfo],
    verdicts: Mapping[str, str],
    anchors: Mapping[str, str],
) -> Column:
    state, migrations = key
    x = _x(number)
    boxes: list[Box] = []
    for lane, service in zip(lanes, services, strict=True):
        running = [
            entry.version for entry in state if entry.service == service.name for _ in range(min(entry.count, MOST))
        ]
        boxes += (
            Box(
                x + 8 + (at % PER_ROW) * (BOX + 6),
                lane.y + (at // PER_ROW) * (BOX_HIGH + 5),
                shortened(version, 7),
                tone(service, version),
                f"{service.name} {version}",
            )
            for at, version in enumerate(running)
        )
    steps = [(at, step) for at, step in enumerate(path.steps, 1) if _key(step) == key]
    chips = tuple(
        Chip(
            x + 8 + (place % CHIPS_PER_ROW) * (CHIP + 4),
            foot + 4 + (place // CHIPS_PER_ROW) * (CHIP + 4),
            str(at),
            verdicts.get(step.id, "not-run"),
            anchors.get(step.id, ""),
            f"{step.id}: {step.description} ({verdicts.get(step.id, 'not run')})",
        )
        for place, (at, step) in enumerate(steps)
    )
    title = mixture(state) + (f"; migrated: {listed(migrations, 4)}" if migrations else "")
    return Column(x, title, _migrated(migrations[-1]) if migrations else "", tuple(boxes), chips)


def _migrated(migration: str) -> str:
    """`orders 2.0 expand` as it fits above a column."""
    service, _, rest = migration.partition(" ")
    return shortened(f"⛁ {rest.rpartition(' ')[2]} {service}", 18)


def tone(service: ServiceInfo, version: str) -> Tone:
    if service.old == service.new:
        return "same"
    return "old" if version == service.old else "new" if version == service.new else "mid"


def _arrow(
    arc: tuple[int, int],
    steps: list[PlannedStep],
    level: int,
    heights: tuple[int, int, int],
    verdicts: Mapping[str, str],
) -> Arrow:
    """Straight to the next column; over the columns when some are passed; under them when going back."""
    top, foot, bottom = heights
    start, end = arc
    found = [verdicts.get(step.id, "not-run") for step in steps]
    verdict = next((name for name in ("fail", "unknown", "not-run") if name in found), "pass")
    label = listed((step.id.rpartition(".")[2] for step in steps), 4)
    title = "; ".join(f"{step.id}: {step.description}" for step in steps)
    if end == start + 1:
        y = (top + foot) // 2
        x = _x(end) - GAP
        return Arrow(f"M{x + 3} {y}H{x + GAP - 6}", False, verdict, label, x + GAP // 2, y - 7, title)
    back = end < start
    edge, sign = (bottom, 1) if back else (top, -1)
    far = edge + sign * (ARC * level + 16)
    # A little aside of the middle, so that arcs in both directions keep apart.
    x1, x2 = _x(start) + WIDE // 2 - 12, _x(end) + WIDE // 2 + 12
    bend = 8 if x2 > x1 else -8
    curve = f"M{x1} {edge + sign * 2}V{far - sign * 8}Q{x1} {far} {x1 + bend} {far}H{x2 - bend}"
    curve += f"Q{x2} {far} {x2} {far - sign * 8}V{edge + sign * 6}"
    return Arrow(curve, back, verdict, label, (x1 + x2) // 2, far - 4, title)

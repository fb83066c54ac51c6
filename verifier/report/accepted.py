"""How much of the work that each version accepted was completed, after how long, and where it was not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from verifier.history.model import End, History
from verifier.report.phrasing import counted


@dataclass(slots=True)
class Accepted:
    """The accepted work of one version of a service. `open` names the steps in which work was not completed."""

    name: str
    total: int = 0
    seconds: list[float] = field(default_factory=list)  # of the work that was completed in its own step
    late: list[float] = field(default_factory=list)  # of the work that was completed in a later one
    open: dict[str, int] = field(default_factory=dict)


def accepted(history: History) -> list[Accepted]:
    """By service and version, in the order in which they first accepted work. The confirmation is left out."""
    again = {step.id for step in history.steps if step.confirms}
    own: dict[tuple[str, int], End] = {}
    later: dict[tuple[str, int], End] = {}
    for end in history.ends:
        (later if end.late else own).setdefault((end.operation, end.index), end)
    found: dict[tuple[str, str], Accepted] = {}
    for key, end in own.items():
        if end.step in again:
            continue
        of = found.setdefault((end.service, end.version), Accepted(f"{end.service} {end.version}"))
        of.total += 1
        if end.how == "ended":
            of.seconds.append(end.waited)
            continue
        of.open[end.step] = of.open.get(end.step, 0) + 1
        if key in later:
            of.late.append(later[key].waited)
    return list(found.values())


def lines(history: History) -> list[str]:
    """A sentence for each version that accepted work; none where nobody accepted any."""
    return [" ".join(_sentences(entry)) for entry in accepted(history)]


def _sentences(entry: Accepted) -> Iterator[str]:
    yield f"{entry.name} accepted {counted(entry.total, 'piece')} of work and {_completed(entry)}."
    if entry.late:
        yield f"{len(entry.late)} more ended in a later step, the last after {max(entry.late):.1f} s."
    never = sum(entry.open.values()) - len(entry.late)
    if never:
        yield f"{counted(never, 'piece')} never ended."
    if entry.open:
        first, *more = entry.open
        rest = f" and {counted(len(more), 'later step')}" if more else ""
        yield f"Work was open at the end of {first}{rest}."


def _completed(entry: Accepted) -> str:
    if not entry.seconds:
        return "completed none of it within its bound"
    which = "all" if len(entry.seconds) == entry.total else str(len(entry.seconds))
    took = f"half of it within {median(entry.seconds):.1f} s, the last after {max(entry.seconds):.1f} s"
    return f"{which} of it was completed within its bound: {took}"

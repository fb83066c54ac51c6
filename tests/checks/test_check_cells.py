"""The cell of a step follows from what ran: which code met whose data."""

from __future__ import annotations

import pytest

from verifier.checks.cells import cells
from verifier.history.model import History, Phase, Replicas, RunInfo, ServiceInfo, Step

RUN = RunInfo(1, "0", "m", 0, "process", (ServiceInfo("a", ("1", "2"), "1", "2"),), (), ())
OLD, BOTH, NEW = ("1",), ("1", "2"), ("2",)


def rollout(*steps: tuple[tuple[str, ...], Phase, str, bool]) -> list[str]:
    """The cells of a path: for each step the live versions, the phase, the kind, and whether it is migrated."""
    made = tuple(
        Step(f"rollout.{at}", "rollout", phase, kind, "", tuple(Replicas("a", version, 1) for version in live),
             ("a 2 expand",) if migrated else (), at, at)
        for at, (live, phase, kind, migrated) in enumerate(steps, 1)
    )  # fmt: skip
    return list(cells(History(RUN, (), made, (), (), ())).values())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (  # rolling, with a migration
            [(OLD, "forward", "start", False), (OLD, "forward", "migrate", True), (BOTH, "forward", "replace", True),
             (NEW, "forward", "replace", True), (OLD, "rollback", "roll back", True),
             (NEW, "rollback", "go forward", True)],
            ["pre-existing", "migration", "mixed", "mixed", "rollback", "mixed"],
        ),
        (  # recreate: no mixture runs
            [(OLD, "forward", "start", False), (NEW, "forward", "replace", True),
             (OLD, "rollback", "roll back", True), (NEW, "rollback", "go forward", True)],
            ["pre-existing", "upgrade", "rollback", "upgrade"],
        ),
    ],
)  # fmt: skip
def test_the_cells_of_a_rollout(steps: list[tuple[tuple[str, ...], Phase, str, bool]], expected: list[str]) -> None:
    assert rollout(*steps) == expected


def test_the_cells_of_controls() -> None:
    phases: tuple[Phase, ...] = ("control-old", "control-new", "control-upgrade")
    made = tuple(Step(f"{phase}.1", phase, phase, "start", "", (), (), 0, 0) for phase in phases)
    assert list(cells(History(RUN, (), made, (), (), ())).values()) == ["pre-existing", "new-version", "upgrade"]

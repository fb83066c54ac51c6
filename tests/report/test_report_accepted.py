"""How much of what each version accepted was completed, when, and where it was not."""

from __future__ import annotations

from msgspec import structs

from tests.report import report_values as values
from verifier.history.model import End
from verifier.report.accepted import lines


def end(operation: str, version: str, how: str, waited: float, step: str, late: bool = False) -> End:
    return End(
        step, "r1", "s1", 1, operation, "jobs", "POST /jobs", version, how, "done", waited, 5.0, 3, "", 1.0, late=late
    )  # type: ignore[arg-type]


def test_nothing_is_said_where_nobody_accepted_work() -> None:
    assert lines(values.history()) == []


def test_completed_late_and_never_ended_work_is_told_by_version() -> None:
    ends = (
        end("a", "1", "ended", 0.1, "control-old-1.1"),
        end("b", "1", "ended", 0.3, "rollout.2"),
        end("c", "2", "ended", 0.2, "rollout.2"),
        end("d", "2", "open", 5.0, "rollout.2"),
        end("e", "2", "open", 5.0, "rollout.3"),
        end("d", "2", "ended", 9.5, "rollout.4", late=True),
    )
    assert lines(structs.replace(values.history(), ends=ends)) == [
        "jobs 1 accepted 2 pieces of work and all of it was completed within its bound: half of it within 0.2 s, "
        "the last after 0.3 s.",
        "jobs 2 accepted 3 pieces of work and 1 of it was completed within its bound: half of it within 0.2 s, "
        "the last after 0.2 s. 1 more ended in a later step, the last after 9.5 s. 1 piece never ended. "
        "Work was open at the end of rollout.2 and 1 later step.",
    ]


def test_work_that_is_never_completed_is_told() -> None:
    ends = (end("a", "2", "open", 5.0, "rollout.2"),)
    assert lines(structs.replace(values.history(), ends=ends)) == [
        "jobs 2 accepted 1 piece of work and completed none of it within its bound. 1 piece never ended. "
        "Work was open at the end of rollout.2."
    ]

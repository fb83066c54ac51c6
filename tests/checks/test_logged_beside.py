"""A violation shows what the replica logged that failed: the one that was called, where the caller failed with it."""

from __future__ import annotations

from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.verdict import Violation
from verifier.history.model import Operation


def logged(builder: HistoryBuilder, operation: Operation, log: str) -> None:
    builder.event("logged", operation.version, operation.id)
    builder.events[-1] = structs.replace(builder.events[-1], replica=operation.replica, log=log)


def controls() -> HistoryBuilder:
    builder = HistoryBuilder()
    for phase, version in (("control-old", OLD), ("control-old", OLD), ("control-new", NEW)):
        builder.step(phase)  # type: ignore[arg-type]
        builder.send("GET /things/1", version)
    builder.step("forward")
    builder.send("GET /things/1", OLD)
    return builder


def found(builder: HistoryBuilder) -> Violation:
    (violation,) = builder.judge().violations
    return violation


def test_what_the_replica_logged() -> None:
    builder = controls()
    logged(builder, builder.send("GET /things/1", NEW, 500), "Traceback:\nno such column: rank")
    violation = found(builder)
    assert violation.reason == "orders-2.0-1 logged at that moment:\nTraceback:\nno such column: rank"


def test_behind_a_call_it_is_the_log_of_the_service_that_was_called() -> None:
    builder = controls()
    outer = builder.send("GET /things/1", NEW, 502)
    called = builder.send(
        "POST /charges", "7", 500, of=outer, source="inner", service="payments", caller="orders", caller_version=NEW
    )
    logged(builder, outer, "payments answered 500")
    logged(builder, called, "out of money")
    assert found(builder).reason == "payments-7-1 logged at that moment:\nout of money"


def test_runs_of_before_have_no_such_lines() -> None:
    builder = controls()
    builder.send("GET /things/1", NEW, 500)
    assert found(builder).reason == ""


def test_lines_beside_another_request_are_not_shown() -> None:
    builder = controls()
    logged(builder, builder.send("GET /things/1", NEW, 200), "slow query")
    builder.send("GET /things/1", NEW, 500)
    assert found(builder).reason == ""

"""What a replica logged when it failed at a request: found by the time and the place in its log, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import structs

from tests.report.report_values import operation
from verifier.history.model import Operation, ReplicaEvent
from verifier.history.store import Record
from verifier.http.message import Response
from verifier.rehearsal.logged import FOLLOWING, LINES, MOST, WIDTH, LoggedLines


class Service:
    """A replica `a` with a log, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "a.log"
        self.now = 0.0
        self.records: list[Record] = []
        self.lines = LoggedLines(folder, self.records.append, lambda: self.now)
        self.number = 0

    def says(self, *lines: str) -> None:
        with self.log.open("a") as log:
            log.writelines(f"{line}\n" for line in lines)

    def is_ready(self) -> None:
        self.lines(ReplicaEvent("s.1", "a", "orders", "1", "ready", self.now))

    def answers(self, status: int, *, lasting: float = 1.0, **changes: object) -> Operation:
        """A request that began `lasting` seconds ago."""
        self.number += 1
        response = Response(status, (), b"") if status else None
        made = operation(f"r1/{self.number}.1", "s.1", replica="a", response=response, started=self.now - lasting)
        self.lines(structs.replace(made, ended=self.now, **changes))
        return made

    def told(self) -> dict[str, str]:
        return {
            entry.detail: entry.log
            for entry in self.records
            if isinstance(entry, ReplicaEvent) and entry.what == "logged"
        }


def play(folder: Path, scenario: Callable[[Service], Awaitable[None]]) -> Service:
    service = Service(folder)
    asyncio.run(scenario(service))  # type: ignore[arg-type]
    return service


def test_what_was_logged_before_an_error_and_right_after_it(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.says("listening on 8080")
        service.is_ready()
        service.now = 5.0
        service.says("Traceback:", "  no such column: rank")
        failed = service.answers(500)
        assert service.told() == {}, "more may follow"
        service.says("", "GET /orders 500")
        async with asyncio.timeout(10):
            while not service.told():  # noqa: ASYNC110 - the timer is its own
                await asyncio.sleep(FOLLOWING / 10)
        assert service.told() == {failed.id: "Traceback:\n  no such column: rank\nGET /orders 500"}
        service.says("later")
        service.lines.flush()

    service = play(tmp_path, scenario)
    assert len(service.told()) == 1


def test_lines_from_before_the_request_are_not_its_own(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.says("starting")
        service.is_ready()
        service.now = 2.0
        service.says("the first one failed")
        first = service.answers(500)
        service.now = 10.0
        service.says("the second one failed")
        second = service.answers(503)
        service.lines.flush()
        assert service.told() == {
            first.id: "the first one failed\nthe second one failed",
            second.id: "the second one failed",
        }

    play(tmp_path, scenario)


def test_requests_that_failed_at_the_same_time_have_the_same_lines(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.is_ready()
        service.now = 2.0
        service.says("both failed")
        both = [service.answers(500), service.answers(500)]
        service.lines.flush()
        assert service.told() == {entry.id: "both failed" for entry in both}

    play(tmp_path, scenario)


def test_few_lines_of_a_bounded_length(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.is_ready()
        service.says(*(f"{number} " + "x" * 5000 for number in range(40)))
        failed = service.answers(500, lasting=0.0)
        service.says(*(f"{number} after" for number in range(40)))
        service.lines.flush()
        lines = service.told()[failed.id].split("\n")
        assert 0 < len(lines) <= 2 * LINES
        assert max(map(len, lines)) == WIDTH
        assert lines[-1] == "39 after"

    play(tmp_path, scenario)


def test_what_did_not_fail_is_not_looked_up(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.is_ready()
        service.says("all is well")
        service.answers(200)
        service.answers(404)
        service.answers(0, error="refused")
        service.answers(0, error="reset", fault="reset", attempt=1)
        cut = service.answers(0, error="reset")
        service.lines.flush()
        assert list(service.told()) == [cut.id]

    service = play(tmp_path, scenario)
    assert sum(isinstance(entry, Operation) for entry in service.records) == 5


def test_a_replica_that_fails_at_everything_fills_no_history(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.is_ready()
        service.says("again")
        for _ in range(MOST + 5):
            service.answers(500)
        service.lines.flush()
        assert len(service.told()) == MOST

    play(tmp_path, scenario)


def test_a_replica_that_logs_nothing(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        service.is_ready()
        service.answers(500)
        service.lines.flush()
        assert service.told() == {}

    play(tmp_path, scenario)

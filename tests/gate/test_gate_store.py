"""The results store in a SQLite file: published once, whole or not at all, by several processes at the same time."""

from __future__ import annotations

import random
import sqlite3
import stat
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.gate.made_evidence import NOW, of_orders
from verifier.errors import BadInput, BrokenEnvironment
from verifier.gate.address import address, masked, shown
from verifier.gate.model import Build, live
from verifier.gate.store import ResultsStore
from verifier.gate.tables import METADATA
from verifier.gate.upgrade import upgrade

VERSIONS = [("orders", "2")]


def store(folder: Path, *, create: bool = True) -> ResultsStore:
    return ResultsStore(make_url(f"sqlite:///{folder}/results.sqlite"), create=create, clock=lambda: NOW)


def test_a_run_is_published_once_and_anew_when_it_is_judged_anew(tmp_path: Path) -> None:
    with store(tmp_path) as results:
        assert [results.publish([of_orders()]) for _ in range(2)] == [True, False]
        assert results.publish([of_orders(mixed="fail")])
        assert [entry.states[0].verdict for entry in results.evidence_about(VERSIONS)] == ["fail"]
        assert results.publish([of_orders()]), "back to the first judgement"
        assert [entry.states[0].verdict for entry in results.evidence_about(VERSIONS)] == ["pass"]
    with store(tmp_path) as results:
        assert results.evidence_about(VERSIONS) == [of_orders()]
        assert results.evidence_about([("orders", "9")]) == []


def test_deployments_are_kept_in_order_and_by_environment(tmp_path: Path) -> None:
    with store(tmp_path) as results:
        results.record("p", [("orders", Build("1")), ("payments", Build("3"))], "finished")
        results.record("p", [("orders", Build("2", "sha256:a"))], "started")
        results.record("q", [("orders", Build("7"))], "finished")
        assert live(results.deployments("p")) == {
            "orders": (Build("1"), Build("2", "sha256:a")),
            "payments": (Build("3"),),
        }


def test_a_start_is_recorded_only_after_a_yes(tmp_path: Path) -> None:
    with store(tmp_path) as results:
        for answer in (False, True):
            results.ask("p", VERSIONS, lambda *_, answer=answer: answer, [("orders", Build("2"))])  # type: ignore[misc]
            assert bool(results.deployments("p")) is answer


def test_only_one_of_many_that_ask_at_once_gets_the_same_place(tmp_path: Path) -> None:
    """A view and the record that follows from it are one."""
    store(tmp_path).close()

    def start(number: int) -> None:
        with store(tmp_path, create=False) as results:
            results.ask("p", VERSIONS, lambda deployments, _: not deployments, [("orders", Build(str(number)))])

    with ThreadPoolExecutor(8) as several:
        list(several.map(start, range(16)))
    with store(tmp_path) as results:
        assert len(results.deployments("p")) == 1


def test_the_file_is_private_and_is_not_made_by_a_question(tmp_path: Path) -> None:
    with pytest.raises(BrokenEnvironment, match="there is no results store sqlite:///"):
        store(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []
    store(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "results.sqlite").stat().st_mode) == 0o600


def test_many_processes_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda _: store(tmp_path).close(), range(16)))
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


def test_the_migrations_lead_to_the_tables_of_this_version(tmp_path: Path) -> None:
    with store(tmp_path) as results:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        with results._engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store(tmp_path).close()
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BrokenEnvironment, match=r"schema 9999.* made by a newer version"):
        store(tmp_path)


@pytest.mark.parametrize(
    "damage", [b"no database at all, but long enough to be one" * 40, b"SQLite format 3\0" + b"x" * 600]
)
def test_a_file_that_is_no_store_is_a_broken_environment(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "results.sqlite").write_bytes(damage)
    with pytest.raises(BrokenEnvironment, match="cannot be used"):
        store(tmp_path)


def test_secrets_of_a_url_are_told_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    url = address("postgres://me:s3cret@127.0.0.1:1/results?sslpassword=h1dden")
    assert shown(url) == "postgresql+psycopg://me:***@127.0.0.1:1/results?sslpassword=***"
    assert masked("no s3cret, no h1dden", url) == "no ***, no ***"
    with pytest.raises(BrokenEnvironment) as refused:
        ResultsStore(url, create=True)
    assert "s3cret" not in str(refused.value)
    assert "h1dden" not in str(refused.value)
    for wrong in ("postgres//me:s3cret@h/x", "mysql://me:s3cret@h/x", "sqlite://", "sqlite:///:memory:"):
        monkeypatch.setenv("VERIFIER_STORE", wrong)
        with pytest.raises(BadInput) as refusal:
            address(None)
        assert "s3cret" not in str(refusal.value)
        assert str(refusal.value).startswith("VERIFIER_STORE: ")


def _publish_on(url: str, name: str, ready: Connection) -> None:
    with ResultsStore(make_url(url), create=True) as results:
        ready.send(True)
        for number in count():
            results.publish([of_orders(f"killed {name}-{number}-{part}") for part in range(3)])


def killed_at_random(url: str, times: int, seed: int) -> None:
    """Publishers of runs with three pairs each, killed at random moments while they publish."""
    chance, forking = random.Random(seed), get_context("fork")
    for number in range(times):
        here, there = forking.Pipe()
        process = forking.Process(target=_publish_on, args=(url, str(number), there))
        process.start()
        assert here.poll(60) and here.recv()
        time.sleep(chance.random() * 0.1)  # the random moment
        process.kill()
        process.join()


def whole(results: ResultsStore) -> Counter[str]:
    """How many pairs each run of a killed publisher has."""
    runs = (entry.run for entry in results.evidence_about(VERSIONS))
    return Counter(run.rpartition("-")[0] for run in runs if run.startswith("killed"))


@pytest.mark.slow
def test_a_publisher_that_is_killed_leaves_nothing_half(tmp_path: Path) -> None:
    killed_at_random(f"sqlite:///{tmp_path}/results.sqlite", 20, 1)
    with store(tmp_path) as results:
        assert set(whole(results).values()) == {3}
        assert results.publish([of_orders("after")]), "the file can still be written"


def test_an_upgrade_that_has_nothing_to_do_waits_for_no_writer(tmp_path: Path) -> None:
    with store(tmp_path) as results:
        other = sqlite3.connect(tmp_path / "results.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        upgrade(results._engine)
        assert results.evidence_about(VERSIONS) == []
        other.close()


def together(work: Callable[[int], object], times: int) -> None:
    with ThreadPoolExecutor(times) as several:
        list(several.map(work, range(times)))


@pytest.mark.slow
def test_concurrent_publishers_lose_nothing(tmp_path: Path) -> None:
    def work(number: int) -> None:
        with store(tmp_path) as results:
            for run in range(5):
                assert results.publish([of_orders(f"{number}-{run}")])
                assert results.publish([of_orders(f"all-{run}")]) in (True, False)
                assert f"{number}-{run}" in {entry.run for entry in results.evidence_about(VERSIONS)}

    together(work, 8)
    with store(tmp_path) as results:
        assert len(results.evidence_about(VERSIONS)) == 8 * 5 + 5

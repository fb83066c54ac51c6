"""The results store on a real PostgreSQL server: twenty at once lose nothing, and a kill leaves nothing half."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL, make_url

from tests.gate.made_evidence import NOW, of_orders
from tests.gate.test_gate_store import VERSIONS, killed_at_random, together, whole
from tests.postgres_server import serving
from verifier.errors import BrokenEnvironment
from verifier.gate.decide import Question, decide
from verifier.gate.model import Build, Deployment, Evidence, live
from verifier.gate.store import ResultsStore
from verifier.runtime.stores import postgres

ACCOUNT = postgres.Account("ci", "s3cret", "results")
AT_ONCE = 20


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    """The URL of an empty database on a server of its own."""
    with serving(ACCOUNT) as url:
        yield make_url(url).set(drivername="postgresql+psycopg")


def store(url: URL) -> ResultsStore:
    return ResultsStore(url, create=True, clock=lambda: NOW)


@pytest.mark.slow
def test_twenty_publishers_and_queriers_at_once_lose_nothing(server: URL) -> None:
    """All open the empty store at the same moment, and each sees at once what it has published."""

    def work(number: int) -> None:
        service = f"s{number}"
        with store(server) as results:
            results.record("p", [("orders", Build("1")), ("payments", Build("3"))], "finished")
            for run in range(5):
                assert results.publish([of_orders(f"{number}-{run}", matrix=service)])
                results.publish([of_orders(f"all-{run}", matrix="all")])
                assert f"{number}-{run}" in {entry.run for entry in results.evidence_about(VERSIONS)}
                results.ask("p", VERSIONS, yes)
            results.record("p", [(service, Build(str(number)))], "started")

    def yes(deployments: list[Deployment], evidence: list[Evidence]) -> bool:
        question = Question({"orders": Build("2")}, apart=frozenset(f"s{number}" for number in range(AT_ONCE)))
        decision = decide(question, live(deployments), evidence, NOW)
        assert decision.reply == "yes"
        return True

    together(work, AT_ONCE)
    with store(server) as results:
        runs = sorted(entry.run for entry in results.evidence_about(VERSIONS))
        assert runs == sorted(
            [*(f"{n}-{r}" for n in range(AT_ONCE) for r in range(5)), *(f"all-{r}" for r in range(5))]
        )
        assert len(results.deployments("p")) == 3 * AT_ONCE
        assert live(results.deployments("p"))["s7"] == (Build("7"),)


@pytest.mark.slow
def test_of_twenty_that_ask_to_start_at_once_one_gets_the_place(server: URL) -> None:
    def start(number: int) -> None:
        with store(server) as results:
            results.ask("q", VERSIONS, lambda deployments, _: not deployments, [("orders", Build(str(number)))])

    together(start, AT_ONCE)
    with store(server) as results:
        assert len(results.deployments("q")) == 1


@pytest.mark.slow
def test_a_publisher_that_is_killed_leaves_nothing_half(server: URL) -> None:
    killed_at_random(server.render_as_string(hide_password=False), 20, 2)
    with store(server) as results:
        assert set(whole(results).values()) == {3}
        assert results.publish([of_orders("after")])


@pytest.mark.slow
def test_a_wrong_password_is_a_broken_environment_that_does_not_tell_it(server: URL) -> None:
    with pytest.raises(BrokenEnvironment, match="cannot be used") as refused:
        store(server.set(password="wr0ng-one"))
    assert "wr0ng-one" not in str(refused.value)

"""`publish`, `record-deployment` and `can-deploy` as a pipeline calls them: statuses, evidence named, JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from tests.report import report_values as values
from verifier.cli.can_deploy import can_deploy
from verifier.cli.publish import publish
from verifier.cli.record_deployment import record_deployment
from verifier.errors import BadInput, BrokenEnvironment
from verifier.gate.evidence import evidence_of
from verifier.history.model import History
from verifier.history.store import HistoryWriter, write_value
from verifier.rehearsal.pairs import Index, StoredPair, store_index
from verifier.rehearsal.run_directory import Inputs, KeptContract

ROOT = Path(__file__).resolve().parents[2]
Tool = Callable[..., Result]
PRODUCTION = ("--environment", "production")


def write_run(folder: Path, history: History) -> Path:
    folder.mkdir(parents=True)
    writer = HistoryWriter(folder, history.run)
    for record in (*history.operations, *history.steps, *history.replicas, *history.notes):
        writer.add(record)
    writer.close()
    write_value(folder / "plan.json", values.plan())
    shutil.copytree(ROOT / "contracts" / "orders", folder / "inputs" / "contracts" / "orders")
    kept = tuple(KeptContract("orders", name, f"inputs/contracts/orders/{name}.yaml") for name in ("1.4", "2.1"))
    write_value(folder / "inputs.json", Inputs("m.yaml", kept))
    write_value(folder / "timing.json", values.TIMING)
    return folder


def failing(**changes: object) -> History:
    """A run of the shop in which both releases charged twice, begun at a known time."""
    history = values.history()
    return structs.replace(history, run=structs.replace(history.run, at=1_700_000_000.0, **changes))


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Calls a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VERIFIER_STORE", raising=False)

    def call(command: object, *arguments: str | Path) -> Result:
        return CliRunner().invoke(command, [str(part) for part in arguments], catch_exceptions=False)  # type: ignore[arg-type]

    return call


def test_a_failed_run_is_a_no_that_names_run_pair_age_and_step(tool: Tool, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    identity = evidence_of(run)[0].run
    told = tool(publish, run).stdout
    assert told == f"published: run {identity[:12]} of checkout-retry (orders 1.4 → 2.1): fail\n"
    assert tool(publish, run).stdout.startswith("already published: ")
    tool(record_deployment, "orders=1.4", "payments=1.2", *PRODUCTION)
    asked = tool(can_deploy, "orders=2.1", *PRODUCTION)
    assert asked.exit_code == 1
    assert asked.stdout.startswith("NO  do not deploy orders 2.1 to production\n")
    for part in (identity[:12], "orders 1.4 → 2.1", "process runtime", "d old", "rollout.2", "placeOrder"):
        assert part in asked.stdout
    document = json.loads(tool(can_deploy, "orders=2.1", *PRODUCTION, "--json").stdout)
    assert (document["reply"], document["status"], document["direction"]) == ("no", 1, "forward")
    (against,) = document["against"]
    assert (against["run"], against["matrix"], against["at"]) == (identity, "checkout-retry", 1_700_000_000.0)
    assert len(against["contracts"]["orders 2.1"]) == 64
    assert set(against["coverage"]) == {"states", "transitions", "routes", "faults"}
    assert against["failed"][0]["mixture"] == {"orders": ["1.4", "2.1"], "payments": ["1.2"]}


def test_an_unknown_says_what_is_missing_and_ends_with_3(tool: Tool, tmp_path: Path) -> None:
    tool(record_deployment, "orders=1.4", "payments=1.2", *PRODUCTION)
    asked = tool(can_deploy, "orders=2.1", *PRODUCTION, "--max-age", "7d")
    assert asked.exit_code == 3
    assert "? no run shows orders 1.4 + 2.1 beside payments 1.2" in asked.stdout
    tool(publish, write_run(tmp_path / "run", failing(unfinished=True)))
    asked = tool(can_deploy, "orders=2.1", *PRODUCTION)
    assert asked.exit_code == 3, "a run that was stopped fails nothing"
    assert "was live and served nothing" in asked.stdout


def test_the_window_is_open_until_the_deployment_is_recorded_as_finished(tool: Tool) -> None:
    def record(*arguments: str) -> str:
        return tool(record_deployment, *arguments, *PRODUCTION).stdout

    assert record("orders=1.4") == "live in production: orders 1.4\n"
    assert record("orders=2.1", "--started") == "live in production: orders 1.4 + 2.1\n"
    assert record("orders=2.1", "--finished") == "live in production: orders 2.1\n"
    assert record("orders=2.1", "--removed") == "live in production: nothing\n"


def test_a_start_is_recorded_after_a_yes_alone(tool: Tool) -> None:
    tool(record_deployment, "orders=1.4", *PRODUCTION)
    assert tool(can_deploy, "orders=2.1", *PRODUCTION, "--start").exit_code == 3
    assert tool(record_deployment, "x=1", *PRODUCTION).stdout == "live in production: orders 1.4, x 1\n"


def test_every_pair_of_a_run_is_published_and_an_attempt_is_not(tool: Tool, tmp_path: Path) -> None:
    write_run(tmp_path / "run" / "pairs" / "1.4-2.1", failing())
    write_run(tmp_path / "run" / "pairs" / "early", failing())
    pairs = (StoredPair("1.4", "2.1", "1.4-2.1", ""), StoredPair("2.1", "3", "2.1-3"),
             StoredPair("1.4", "2.1", "early", "", "contract-early"))  # fmt: skip
    store_index(tmp_path / "run", Index("shop", 0, "process", "1.0", ("1.4", "2.1"), pairs))
    assert [entry.pair for entry in evidence_of(tmp_path / "run")] == ["orders 1.4 → 2.1"]
    assert len(json.loads(tool(publish, tmp_path / "run", "--json").stdout)) == 1


def test_the_time_of_a_run_is_its_own_and_lies_not_in_the_future(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    assert evidence_of(run)[0].at == 1_700_000_000.0
    with pytest.raises(BadInput, match="400 seconds in the future: a clock is wrong"):
        evidence_of(run, now=1_700_000_000.0 - 400)
    earlier = write_run(tmp_path / "earlier", values.history())
    assert evidence_of(earlier)[0].at == (earlier / "history" / "run.json").stat().st_mtime


def test_an_edited_verdict_changes_nothing(tool: Tool, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failing())
    (run / "verdict.json").write_text('{"verdict": "pass"}')
    assert tool(publish, run).stdout.endswith(": fail\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("orders", *PRODUCTION), "must be SERVICE=VERSION"),
        (("orders=2@latest", *PRODUCTION), "may end with @sha256:"),
        (("orders=2",), "Missing option '--environment'"),
        (("orders=\udcff", *PRODUCTION), "must be SERVICE=VERSION"),
        (("orders=2", "--environment", "p\udcff"), "is no name"),
        (("orders=2", "--environment", " "), "is no name"),
        (("orders=2", "--environment", "p\x1b[31m"), "is no name"),
        ((), "Missing argument"),
    ],
)
def test_what_names_no_build_is_bad_input(tool: Tool, arguments: tuple[str, ...], problem: str) -> None:
    for command in (can_deploy, record_deployment):
        told = tool(command, *arguments)
        assert (told.exit_code, problem in told.stderr) == (2, True)


def test_contradictions_are_bad_input(tool: Tool) -> None:
    tool(record_deployment, "orders=1.4", *PRODUCTION)
    for arguments in (("a=1", "a=2"), ("a=1", "--apart", "a"), ("a=1", "--max-age", "soon")):
        with pytest.raises(BadInput):
            tool(can_deploy, *arguments, *PRODUCTION)


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("verifier.gate", "verifier.cli.gate_options"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(BadInput, match=r"needs sqlalchemy.*: pip install 'mixed-version-verifier\[gate\]'"):
        import_module("verifier.cli.gate_options")


def test_without_a_store_there_is_no_answer(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(BrokenEnvironment, match="there is no results store"):
        tool(can_deploy, "orders=1", *PRODUCTION)
    assert list(tmp_path.iterdir()) == []

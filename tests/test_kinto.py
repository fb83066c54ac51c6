"""A service that nobody here wrote, with nothing declared: Kinto 13.6.4 and 13.6.6 from PyPI, on PostgreSQL.

`matrices/kinto.yaml` is the whole rollout; here it is walked once from old to new, without faults and rollbacks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import in_ci
from tests.engine.system import Unavailable
from tests.zoo.environments import NotInstalled
from tests.zoo.kinto import database, environments, fifty
from tests.zoo.rehearsing import news

MATRICES = Path(__file__).resolve().parents[1] / "matrices"
VERIFIER = str(Path(sys.executable).with_name("verifier"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """Kinto's releases and PostgreSQL. Without them: a skip, or in CI a failure."""
    try:
        if not database.present():
            if not in_ci():
                raise Unavailable("there is no PostgreSQL server on this machine")
            database.provide()
        for release in environments.RELEASES:
            environments.ensure(release)
    except (Unavailable, NotInstalled) as reason:
        if in_ci():
            pytest.fail(f"CI must be able to run Kinto: {reason}", pytrace=False)
        pytest.skip(f"Kinto cannot run here: {reason}")


@pytest.mark.parametrize(("matrix", "times"), [("kinto", 5), ("checkout", 50)])
def test_replays_on_one_store_find_everything_as_recorded(matrix: str, times: int) -> None:
    result = fifty.replayed(MATRICES / f"{matrix}.yaml", times)
    assert result.replays == times * result.sessions > times
    assert result.exchanges > 6 * result.replays
    assert (result.unmatched, result.ambiguous, result.differences, result.counts) == ((), (), (), ())


def rolled_out(folder: Path, **new: str) -> tuple[int, dict[str, Any], str]:
    """The rollout on its shortest way; `new` is added to the environment of the new release."""
    matrix = yaml.safe_load((MATRICES / "kinto.yaml").read_text())
    service = matrix["services"]["kinto"]
    service["directory"] = str(environments.HERE)
    service["versions"]["13.6.6"]["environment"] = {**new, "PYTHONPATH": "."}
    matrix["rollout"]["rollback"] = "none"
    matrix["faults"] = "none"
    matrix["traffic"][0]["recording"] = str(MATRICES / "recordings" / "kinto.har")
    (folder / "kinto.yaml").write_text(yaml.safe_dump(matrix, sort_keys=False))
    command = [VERIFIER, "run", str(folder / "kinto.yaml"), "--runtime", "process", "--budget", "1s"]
    command += ["--out", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL)
    assert (folder / "run" / "verdict.json").is_file(), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "run" / "verdict.json").read_text()), done.stdout


def test_a_clean_pair_raises_no_alarm(tmp_path: Path) -> None:
    status, verdict, told = rolled_out(tmp_path)
    assert (status, verdict["verdict"], news(verdict)) == (0, "pass", []), told


def test_a_broken_pair_is_told_by_what_it_breaks(tmp_path: Path) -> None:
    """The new release keeps records where the old one does not look, and no longer says when they were changed."""
    status, verdict, told = rolled_out(
        tmp_path,
        KINTO_STORAGE_BACKEND="moved_records",
        KINTO_INCLUDES="kinto.plugins.default_bucket dropped_field",
    )
    assert (status, verdict["verdict"]) == (1, "fail"), told
    found = {(item["guarantee"], item["attribution"]) for item in verdict["violations"]}
    assert {("no lost write", "mixed"), ("compatible", "new-version")} <= found, told
    dropped = [item for item in verdict["violations"] if item["attribution"] == "new-version"]
    assert {item["guarantee"] for item in dropped} == {"compatible"}, told
    assert any("/data/last_modified is missing" in item["message"] for item in dropped), told

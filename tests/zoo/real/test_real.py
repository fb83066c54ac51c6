"""Services that nobody here wrote, the same version on both sides: a rehearsal of a new deployment passes.

Nothing is declared about them but how they start. Whatever the checks find is a false alarm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import in_ci
from tests.engine.system import Unavailable
from tests.zoo.environments import NotInstalled
from tests.zoo.real.services import HERE, SECRETS, image, install, provide
from tests.zoo.real.users import USERS
from verifier.history.model import History
from verifier.history.store import read

VERIFIER = str(Path(sys.executable).with_name("verifier"))
LONGEST = 550  # seconds for one run on a busy machine
MOST_LINES = 40
pytestmark = pytest.mark.slow
# Each service with the routes and moments of two seeds, one of which is its own.
SEEDS = [(name, seed) for own, name in enumerate(USERS, 1) for seed in (0, own)]


def installed(name: str, runtime: str = "process") -> None:
    """The service and the programs of its store. Without them: a skip, or in CI a failure."""
    try:
        if runtime == "docker":
            image(name)
        else:
            provide(name)
            install(name)
    except (Unavailable, NotInstalled) as reason:
        if in_ci():
            pytest.fail(f"CI must be able to run {name}: {reason}", pytrace=False)
        pytest.skip(f"{name} cannot run here: {reason}")


def run(name: str, seed: int, folder: Path, runtime: str = "process") -> tuple[int, dict[str, Any], str]:
    command = [VERIFIER, "run", str(HERE / f"{name}.yaml"), "--runtime", runtime, "--seed", str(seed)]
    command += ["--out", str(folder / "run")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **SECRETS},
    )
    assert (folder / "run" / "verdict.json").is_file(), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "run" / "verdict.json").read_text()), done.stdout


def served(history: History) -> dict[tuple[str, str], set[str]]:
    """The operations that each version of each service answered without an error, in any path."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for operation in history.operations:
        if operation.response is not None and operation.response.status < 400:
            found[operation.service, operation.version].add(operation.name)
    return found


def ended(history: History) -> dict[tuple[str, str], int]:
    """How often each session was replayed to its last exchange, by session and step."""
    last: dict[str, int] = defaultdict(int)
    for operation in history.operations:
        last[operation.session] = max(last[operation.session], operation.index)
    found: dict[tuple[str, str], int] = defaultdict(int)
    for operation in history.operations:
        if operation.source == "replay" and not operation.parent and operation.index == last[operation.session]:
            found[operation.session, operation.step] += 1
    return found


# Alerta changes its schema at every start, which can deadlock with a request that another replica serves. It then
# exits, as it does in operation, and the run ends without a verdict.
OWN_DEADLOCK = "psycopg2.errors.DeadlockDetected"


def check(name: str, seed: int, folder: Path, runtime: str = "process") -> None:
    status, verdict, told = run(name, seed, folder, runtime)
    if status == 4 and OWN_DEADLOCK in verdict["error"]:
        again = folder / "again"
        again.mkdir()
        folder, (status, verdict, told) = again, run(name, seed, again, runtime)
    assert (status, verdict["verdict"]) == (0, "pass"), told
    states, history = verdict["coverage"]["states"], read(folder / "run")
    assert states["covered"] == states["total"] >= 3
    front, sessions = history.operations[0].service, {entry.session for entry in history.operations if entry.session}
    done = served(history)
    assert len(done[front, "1"]) > 1 and done[front, "1"] == done[front, "2"], told
    to_the_end = ended(history)
    steps = [step.id for step in history.steps if not step.id.startswith("confirm")]
    missing = {(session, step) for session in sessions for step in steps} - to_the_end.keys()
    assert not missing, told
    if name in ("celery", "django"):
        finished = {(end.version, end.how) for end in history.ends if end.service == front}
        assert finished >= {("1", "ended"), ("2", "ended")}, told


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_the_same_version_again_passes(name: str, seed: int, tmp_path: Path) -> None:
    installed(name)
    assert len((HERE / f"{name}.yaml").read_text().splitlines()) < MOST_LINES
    check(name, seed, tmp_path)


@pytest.mark.docker
def test_it_passes_in_containers(tmp_path: Path) -> None:
    installed("alerta", "docker")
    check("alerta", 0, tmp_path, "docker")

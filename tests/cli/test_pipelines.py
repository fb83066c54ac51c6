"""The workflow files of `.ci/pipelines`: every line is understood, and their scripts are run as a server runs them."""

from __future__ import annotations

import json
import os
import shlex
import string
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.cli.small_matrix import ENTRIES, HERE, recording
from verifier.cli.commands import cli

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 2
MATRIX = """\
matrix: words
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: %s
    versions:
      "1": {command: [python, one_service.py, well, --port, "{port}", --folder, "%s"]}
      "2":
        command: [python, one_service.py, well, --port, "{port}", --folder, "%s"]
        environment: {RELEASE: "2"}
faults: none
rollout: {rollback: none}
budget: 5s
traffic:
  - {recording: %s, client: "1"}
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a workflow file: its script lines and its environment, where it runs as the shard of this number."""

    lines: tuple[str, ...]
    environment: Mapping[str, str]


def github(shard: int) -> tuple[Job, Job]:
    """The job of a shard, and the one that judges, with expressions as the server fills them in."""
    file = yaml.safe_load((ROOT / ".ci" / "pipelines" / "github.yml").read_text())
    assert list(range(1, SHARDS + 1)) == file["jobs"]["rehearse"]["strategy"]["matrix"]["shard"]

    def job(name: str) -> Job:
        steps = [step["run"] for step in file["jobs"][name]["steps"] if "run" in step]
        lines = tuple(line.replace("${{ matrix.shard }}", str(shard)) for line in steps)
        assert not [line for line in lines if "${{" in line]
        return Job(lines, {**file["env"], "GITHUB_STEP_SUMMARY": "summary.md"})

    return job("rehearse"), job("verdict")


def gitlab(shard: int) -> tuple[Job, Job]:
    file = yaml.safe_load((ROOT / ".ci" / "pipelines" / "gitlab.yml").read_text())
    assert file["rehearse"]["parallel"] == SHARDS

    def job(name: str) -> Job:
        base = file[file[name]["extends"]]
        node = {"CI_NODE_INDEX": str(shard), "CI_NODE_TOTAL": str(SHARDS)}
        return Job((*base["before_script"], *file[name]["script"]), {**base["variables"], **node})

    return job("rehearse"), job("verdict")


def commands(job: Job) -> list[list[str]]:
    return [words for line in job.lines if (words := shlex.split(line))[0] == "verifier"]


@pytest.mark.parametrize("server", [github, gitlab])
def test_every_command_is_understood(server: Any) -> None:
    for job in server(1):
        assert [line for line in job.lines if line.startswith("pip install")] == ["pip install mixed-version-verifier"]
        assert commands(job)
        for _, name, *words in commands(job):
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            command.make_context(name, [string.Template(word).substitute(job.environment) for word in words])


def run(job: Job, folder: Path, matrix: Path) -> subprocess.CompletedProcess[str]:
    """The script lines that call the verifier, in one shell that ends at the first failure. There is no engine."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {name: value for name, value in job.environment.items() if not name.startswith("DOCKER_")}
    environment = {**os.environ, **own, "PATH": path, "MATRIX": str(matrix), "DOCKER_HOST": "tcp://127.0.0.1:9"}
    lines = [line for line in job.lines if line.startswith("verifier")]
    words = ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def matrix_in(folder: Path) -> Path:
    har, file = folder / "words.har", folder / "words.yaml"
    har.write_text(recording(ENTRIES))
    file.write_text(MATRIX % (HERE, folder, folder, har))
    return file


@pytest.mark.slow
@pytest.mark.parametrize("server", [github, gitlab])
def test_the_scripts_of_a_pipeline_come_to_a_verdict(server: Any, tmp_path: Path) -> None:
    matrix = matrix_in(tmp_path)
    jobs: Sequence[tuple[Job, Job]] = [server(shard) for shard in range(1, SHARDS + 1)]
    with ThreadPoolExecutor(SHARDS) as pool:
        for done in pool.map(lambda pair: run(pair[0], tmp_path, matrix), jobs):
            assert done.returncode == 0, done.stderr
    done = run(jobs[0][1], tmp_path, matrix)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["verdict"] == "pass"
    if server is github:
        assert "pass" in (tmp_path / "summary.md").read_text().lower()
        assert json.loads((tmp_path / "rollout.sarif").read_text())["runs"]
    else:
        assert ElementTree.parse(tmp_path / "junit.xml").getroot().tag == "testsuites"
        told = json.loads((tmp_path / "quality.json").read_text())
        assert not [item for item in told if item["severity"] not in ("info", "minor")]

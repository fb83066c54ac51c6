"""A service that refuses requests whose signature is wrong: with a rule its recording is replayed, without one a run
says that it tested nothing, and which value looks computed.
"""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import HERE, NAME, entry, recording, verifier

KEY = "the key of the clients"
MATRIX = """\
matrix: signed
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: DIRECTORY
    stop: {grace: 5s}
    environment: {SIGNING_KEY: "${env.WORDS_KEY}"}
    command: [python, signed_service.py, --port, "{port}", --folder, "FOLDER"]
    versions:
      "1": {}
      "2": {environment: {RELEASE: "2"}}
rollout: {rollback: none}
traffic:
  - recording: words.har
RULES
faults: [duplicate-after]
budget: 5s
"""
RULES = """\
    rules:
      computed:
        - {header: X-Sig, sha256-hmac: body, key: {env: WORDS_KEY}, for: ["PUT /words/*"]}
"""


def run(folder: Path, rules: str) -> tuple[int, dict[str, Any], str]:
    sent = {"request": NAME, "text": "yes"}
    put = entry("PUT", f"/words/{NAME}", sent, 200, sent, 5)
    signature = hmac.digest(KEY.encode(), json.dumps(sent).encode(), "sha256").hex()
    put["request"]["headers"].append({"name": "X-Sig", "value": signature})
    (folder / "words.har").write_text(recording([put, entry("GET", f"/words/{NAME}", None, 200, sent, 6)]))
    text = MATRIX.replace("DIRECTORY", str(HERE)).replace("FOLDER", str(folder / "kept")).replace("RULES\n", rules)
    (folder / "signed.yaml").write_text(text)
    environment = {**os.environ, "WORDS_KEY": KEY}
    done = verifier(
        "run", "signed.yaml", "--runtime", "process", "--out", folder / "run", cwd=folder, environment=environment
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads((folder / "run" / "verdict.json").read_text()), done.stdout


def statuses(folder: Path) -> set[tuple[str, int]]:
    """Method and status of everything that clients were answered."""
    lines = (folder / "run" / "history" / "operations.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return {(one["request"]["method"], one["response"]["status"]) for one in found if one["response"]}


@pytest.mark.slow
def test_with_a_rule_each_replay_is_signed_anew_and_passes(tmp_path: Path) -> None:
    status, verdict, told = run(tmp_path, RULES)
    assert (status, verdict["verdict"], verdict["unknowns"]) == (0, "pass", []), told
    assert statuses(tmp_path) == {("PUT", 200), ("GET", 200)}
    assert verdict["coverage"]["faults"]["covered"] > 0
    everything = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert KEY.encode() not in everything


@pytest.mark.slow
def test_without_a_rule_the_run_is_unknown_and_names_the_value(tmp_path: Path) -> None:
    status, verdict, told = run(tmp_path, "")
    assert (status, verdict["verdict"]) == (3, "unknown"), told
    assert ("PUT", 401) in statuses(tmp_path)
    why = " ".join(verdict["unknowns"])
    assert "header X-Sig looks like a digest that the client computes" in why
    assert "computed: [{header: X-Sig, sha256: body}], or sha256-hmac and a key: {env: NAME}" in why
    assert "X-Sig" in told

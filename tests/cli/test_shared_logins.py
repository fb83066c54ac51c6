"""Users who share a login and work on each other's things, recorded with everything secret redacted: a run issues all
of it anew. Its twin lacks the sessions that issue, and says what is missing.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_matrix import HERE, verifier
from verifier.http.message import Request, Response
from verifier.recording.har import HarWriter
from verifier.recording.model import Exchange

pytestmark = pytest.mark.slow
TOKEN, SID, ORDER = "5f2c9e7a41d84b06c80d1b3e", "c80d1b3e6fa945725f2c9e7a", "e6fa945725f2c9e7a41d84b0"
SECOND = "0f2c9e7a41d84b06c80d1b3f"
JSON = (("Content-Type", "application/json"),)
MATRIX = """\
matrix: clerks
services:
  clerks:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: DIRECTORY
    stop: {grace: 5s}
    versions:
      "1": {command: [python, two_services.py, --port, "{port}", --folder, "FOLDER"]}
      "2": {command: [python, two_services.py, --port, "{port}", --folder, "FOLDER"], environment: {RELEASE: "2"}}
rollout: {rollback: none}
traffic:
  - {recording: clerks.har, client: "1"}
faults: none
budget: 5s
"""

TRAFFIC = [
    ("desk", "POST", "/login", (), {"role": "user"}, 200, (), {"access_token": TOKEN}),
    ("anna", "POST", "/orders", (("Authorization", f"Bearer {TOKEN}"),), {"n": 1}, 201, (), {"id": ORDER}),
    ("anna", "POST", "/orders", (("Authorization", f"Bearer {TOKEN}"),), {"n": 2}, 201, (), {"id": SECOND}),
    ("carl", "POST", "/login", (), {"role": "clerk"}, 200, (("Set-Cookie", f"sid={SID}; Path=/"),), {"role": "clerk"}),
    ("dora", "GET", f"/orders/{ORDER}", (("Cookie", f"sid={SID}"),), None, 200, (), {"id": ORDER}),
]


def run(folder: Path, *clients: str) -> tuple[int, str, list[tuple[str, str]], str]:
    """Exit status, text, the notes by kind, and the recording; of the recording only what these clients did."""
    with HarWriter(folder / "clerks.har", began=1767323045.0) as writer:
        for at, (client, method, path, sent, asked, status, headers, told) in enumerate(TRAFFIC):
            body = b"" if asked is None else json.dumps(asked).encode()
            request = Request(method, path, (*JSON, *sent), body)
            answer = Response(status, (*JSON, *headers), json.dumps(told).encode())
            if client in clients:
                writer.add(Exchange(request, answer, "clerks:8000", float(at), 0.01), client)
    file = folder / "clerks.yaml"
    file.write_text(MATRIX.replace("DIRECTORY", str(HERE)).replace("FOLDER", str(folder / "kept")))
    done = verifier("run", file, "--runtime", "process", "--out", folder / "run", cwd=folder)
    lines = (folder / "run/history/notes.jsonl").read_text().splitlines()
    notes = [(note["kind"], note["message"]) for note in map(json.loads, lines)]
    return done.returncode, done.stdout + done.stderr, notes, (folder / "clerks.har").read_text()


def test_every_session_is_replayable_by_itself(tmp_path: Path) -> None:
    status, told, notes, recording = run(tmp_path, "desk", "anna", "carl", "dora")
    assert TOKEN not in recording
    assert SID not in recording
    assert status == 0, told
    assert notes == [
        ("borrowed", "session anna takes 1 of its 3 exchanges from desk, "
                     "which produce values that it uses: POST /login"),
        ("borrowed", "session dora takes 3 of its 4 exchanges from desk, anna, carl, "
                     "which produce values that it uses: POST /login, POST /orders"),
    ]  # fmt: skip


def test_what_nobody_issues_is_unknown_and_told_with_its_remedy(tmp_path: Path) -> None:
    status, told, notes, _ = run(tmp_path, "carl", "anna")
    assert status == 3, told
    unmatched = [message for kind, message in notes if kind == "unmatched"]
    assert unmatched
    assert all("settle it with credentials: {redacted-" in message for message in unmatched)

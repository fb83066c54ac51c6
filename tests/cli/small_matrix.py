"""A small matrix for the command line's tests, and the command itself as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERIFIER = str(Path(sys.executable).with_name("verifier"))
HERE = Path(__file__).parent
NAME = "0b7f6d2e-6f0e-4c5a-9a51-1e1d3c1a7c55"


def verifier(
    *arguments: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [VERIFIER, *(str(word) for word in arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL
    )


def entry(method: str, path: str, sent: Any, status: int, answered: Any, second: int) -> dict[str, Any]:
    """One HAR entry."""
    request: dict[str, Any] = {
        "method": method,
        "url": f"http://words:8000{path}",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": "Host", "value": "words:8000"}],
        "queryString": [],
        "cookies": [],
        "headersSize": -1,
        "bodySize": -1,
    }
    if sent is not None:
        request["headers"].append({"name": "Content-Type", "value": "application/json"})
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
    return {
        "startedDateTime": f"2026-01-02T03:04:{second:02}.000Z",
        "time": 2.0,
        "request": request,
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "cookies": [],
            "content": {"size": -1, "mimeType": "application/json", "text": json.dumps(answered)},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 2, "receive": 0},
    }


def recording(entries: list[dict[str, Any]]) -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "entries": entries}})


WORD = {"name": NAME, "text": "yes"}
ENTRIES = [
    entry("PUT", f"/words/{NAME}", {"text": "yes"}, 200, WORD, 5),
    entry("GET", f"/words/{NAME}", None, 200, WORD, 6),
]

MATRIX = """\
matrix: words
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: DIRECTORY
    stop: {grace: 5s}
    versions:
      "1": {command: [python, one_service.py, well, --port, "{port}", --folder, "FOLDER"]}
      "2": {command: [python, one_service.py, well, --port, "{port}", --folder, "FOLDER", ]}
rollout: {rollback: none}
traffic:
  - {recording: words.har, client: "1"}
faults: none
budget: 5s
"""


def write(folder: Path, matrix: str = MATRIX, har: str | None = None) -> Path:
    """The matrix in a folder, with its recording beside it; DIRECTORY and FOLDER are filled in."""
    (folder / "words.har").write_text(recording(ENTRIES) if har is None else har)
    file = folder / "words.yaml"
    file.write_text(matrix.replace("DIRECTORY", str(HERE)).replace("FOLDER", str(folder / "kept")))
    return file

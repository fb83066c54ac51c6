"""What tests of the little services share: a recording made by hand, and a run from end to end in a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

VERIFIER = Path(sys.executable).with_name("verifier")
LONGEST = 500  # seconds that one run may take on a busy machine
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange of a client, `pause` seconds after the one before. `X-Session` tells its `user`, if any."""

    method: str
    path: str
    sent: Any
    status: int
    shown: Any
    user: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)  # response headers
    pause: float = 1.0


def har(host: str, exchanges: Iterable[Recorded]) -> dict[str, Any]:
    entries, at = [], START
    for exchange in exchanges:
        at += timedelta(seconds=exchange.pause)
        headers = {"Host": host, **({"X-Session": exchange.user} if exchange.user else {}), **exchange.headers}
        request: dict[str, Any] = {"method": exchange.method, "url": f"http://{host}{exchange.path}"}
        if exchange.sent is not None:
            headers["Content-Type"] = "application/json"
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(exchange.sent)}
        content = {"mimeType": "application/json"}
        if exchange.shown is not None:
            content["text"] = json.dumps(exchange.shown)
        entries.append({
            "startedDateTime": at.isoformat(),
            "time": 1,
            "request": {**request, "headers": _pairs(headers)},
            "response": {"status": exchange.status, "headers": _pairs(exchange.told), "content": content},
        })  # fmt: skip
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}}


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def rehearse(
    folder: Path, matrix: str, recording: dict[str, Any], seed: int = 0, runtime: str = "process"
) -> dict[str, Any]:
    """Run a matrix whose recording is `old.har`; the content of its `verdict.json`."""
    return rehearse_and_report(folder, matrix, recording, seed, runtime)[0]


def rehearse_and_report(
    folder: Path, matrix: str, recording: dict[str, Any], seed: int = 0, runtime: str = "process"
) -> tuple[dict[str, Any], str]:
    """The content of `verdict.json`, and the report of the terminal on one line."""
    (folder / "old.har").write_text(json.dumps(recording), encoding="utf-8")
    (folder / "matrix.yaml").write_text(matrix, encoding="utf-8")
    command = [str(VERIFIER), "run", "matrix.yaml", "--runtime", runtime, "--seed", str(seed), "--out", "run"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert ended.returncode == (1 if found["verdict"] == "fail" else 0), ended.stdout
    return found, " ".join(ended.stdout.split())


def filled(matrix: str, script: Path, **values: str) -> str:
    """The text of a matrix with the Python of this process, and the script of the service as {service}."""
    return matrix.format(python=json.dumps(sys.executable), service=json.dumps(str(script)), **values)


def told(verdict: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Guarantee, attribution and operation of every violation."""
    return {(entry["guarantee"], entry["attribution"], entry["operation"]) for entry in verdict["violations"]}


def news(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """All violations but what old alone does when it is told to end: most services close their port at once."""
    return [
        entry
        for entry in verdict["violations"]
        if entry["attribution"] != "pre-existing" or "told to end" not in entry["message"]
    ]

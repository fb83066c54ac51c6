"""A service that checks its users, replayed from a redacted recording: with the secrets it passes, without it cannot,
and what the run leaves behind does not hold them, in any encoding.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.cli.small_matrix import HERE, NAME, verifier
from verifier.http.message import Request, Response
from verifier.recording.har import HarWriter
from verifier.recording.model import Exchange
from verifier.recording.placeholders import as_yaml

USER, PASSWORD = "anna.real-account", 'c0rrect h"rse/bättery+5taple'
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

MATRIX = """\
matrix: password
services:
  words:
    port: 8000
    ready: {http: /healthz, within: 20s}
    directory: DIRECTORY
    stop: {grace: 5s}
    environment: {AUDIT: "http://audit:80"}
    versions:
      "1": {command: COMMAND}
      "2": {command: COMMAND, environment: {RELEASE: "2"}}
partners: {audit: {}}
rollout: {rollback: none}
traffic:
  - recording: words.har
    client: "1"
faults: [duplicate-after]
budget: 5s
"""


def prepared(folder: Path) -> str:
    """The matrix without credentials and its recording; returns what the recorder says to put into the matrix."""
    headers = (
        ("Authorization", f"Basic {BASIC}"),
        ("Accept-Encoding", "gzip, br"),
        ("Content-Type", "application/json"),
    )
    word, json_type = b'{"text": "yes"}', (("Content-Type", "application/json"),)
    told = {"user": USER, "password": PASSWORD, "basic": BASIC, "escaped": f"{USER}:{PASSWORD}"}
    answer = Response(200, json_type, json.dumps({"word": json.loads(word), "told": told}).encode())
    with HarWriter(folder / "words.har", began=1767323045.0) as writer:
        for at, (method, body) in enumerate((("PUT", word), ("GET", b""))):
            sent = Request(method, f"/words/{NAME}", headers, body)
            writer.add(Exchange(sent, answer, "words:8000", float(at), 0.01), "s1")
    digest = hashlib.sha256(f"{USER}:{PASSWORD}".encode()).hexdigest()
    options = f"--port {{port}} --folder {folder / 'kept'} --hash {digest} --audit $AUDIT"
    command = f'[sh, -c, "exec python password_service.py {options}"]'
    (folder / "password.yaml").write_text(MATRIX.replace("DIRECTORY", str(HERE)).replace("COMMAND", command))
    return as_yaml("words.har", writer.credentials)


def with_credentials(folder: Path, pasted: str) -> None:
    """The password from a file, the user from a variable, under the placeholders that the recorder has printed."""
    declared = yaml.safe_load(pasted)["traffic"][0]["credentials"]
    by_variable = {source["env"]: name for name, source in declared.items()}
    (folder / "password").write_text(PASSWORD + "\n")
    lines = f"""\
    credentials:
      {by_variable["VERIFIER_USER"]}: {{env: VERIFIER_USER}}
      {by_variable["VERIFIER_PASSWORD"]}: {{file: password}}
"""
    file = folder / "password.yaml"
    file.write_text(file.read_text().replace('    client: "1"\n', f'    client: "1"\n{lines}'))


def run(folder: Path, command: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("VERIFIER_USER", "VERIFIER_PASSWORD")}
    words = {
        "run": ["run", "password.yaml", "--runtime", "process", "--out", "run"],
        "judge": ["judge", "run"],
        "report": ["report", "run", "--format", "markdown"],
        "plan": ["plan", "password.yaml"],
    }[command]
    return verifier(*words, cwd=folder, environment={**kept, **environment})


_RUN64 = re.compile(rb"[A-Za-z0-9+/_-]{6,}")


def readings(data: bytes, depth: int = 3) -> list[bytes]:
    """The data, and all that it could be read as: percent-decoded, unescaped, base64 at every offset, gzip."""
    found = [data, unquote(data.decode("latin-1"), "latin-1").encode("latin-1"), data.replace(b"\\", b"")]
    found.append(re.sub(rb"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)).encode(), data))
    if data[:2] == b"\x1f\x8b":
        found.append(gzip.decompress(data))
    for piece in _RUN64.findall(data) if depth else ():
        for offset in range(4):
            text = piece[offset:].translate(bytes.maketrans(b"-_", b"+/"))
            text = text[: len(text) - (len(text) % 4 == 1)]
            found += readings(base64.b64decode(text + b"=" * (-len(text) % 4)), depth - 1) if len(text) > 4 else []
    return found


def holds_secret(data: bytes) -> bool:
    wanted = (USER.encode(), PASSWORD.encode(), PASSWORD.replace('"', "").encode(), b"5taple", b"anna.real")
    return any(secret in reading for reading in readings(data) for secret in wanted)


@pytest.mark.parametrize(
    "text",
    [PASSWORD, BASIC, f"x{base64.urlsafe_b64encode(f'..{PASSWORD}'.encode()).decode()}", "5t%61ple%20anna%2Ereal"],
)
def test_the_search_would_find_a_secret(text: str) -> None:
    assert holds_secret(text.encode())
    assert holds_secret(base64.b64encode(json.dumps({"body": text}).encode()))
    assert not holds_secret(b"redacted-6f0e4c5a9a51redacted-" + base64.b64encode(b"anna is not told, nor is 5tapl"))


@pytest.mark.slow
def test_without_its_credentials_a_recording_of_real_accounts_does_not_pass(tmp_path: Path) -> None:
    pasted = prepared(tmp_path)
    done = run(tmp_path, VERIFIER_USER=USER)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "does not answer it as recorded" in done.stdout
    assert "credentials, for example: was answered 401 to what was redacted" in done.stdout
    assert not holds_secret((tmp_path / "words.har").read_bytes() + pasted.encode())


@pytest.mark.slow
def test_with_its_credentials_it_passes_and_nothing_left_behind_holds_them(tmp_path: Path) -> None:
    with_credentials(tmp_path, prepared(tmp_path))
    done = run(tmp_path, VERIFIER_USER=USER)
    assert done.returncode == 0, done.stdout + done.stderr
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert {"operations.jsonl", "verdict.json", "report.html"} <= {file.name for file in files}
    assert any(file.suffix == ".log" and b"came: redacted-" in file.read_bytes() for file in files)
    operations = (tmp_path / "run/history/operations.jsonl").read_text()
    assert '"source":"partner"' in operations.replace(" ", "")
    for file in files:
        for line in file.read_bytes().splitlines():
            assert not holds_secret(line), file
    again = run(tmp_path, "judge")  # needs no secrets
    assert again.returncode == 0, again.stdout + again.stderr
    for told in (done, again, run(tmp_path, "report")):
        assert not holds_secret((told.stdout + told.stderr).encode())


def test_what_is_missing_is_named_before_anything_starts(tmp_path: Path) -> None:
    with_credentials(tmp_path, prepared(tmp_path))
    (tmp_path / "password").unlink()
    done = run(tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line, number, message in zip(
        lines, (18, 19), ("VERIFIER_USER is not set", "password cannot be read"), strict=True
    ):
        assert f"password.yaml:{number}: traffic[0].credentials.redacted-" in line
        assert message in line
    assert not (tmp_path / "run").exists()
    assert run(tmp_path, "plan").returncode == 0  # which starts nothing and so needs none

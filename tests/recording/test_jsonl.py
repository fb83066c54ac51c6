"""Recordings as JSON lines."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import BadInput
from verifier.recording.load import load

GOOD: dict[str, Any] = {
    "at": "2026-01-02T03:04:05Z",
    "took": 0.25,
    "session": "alice",
    "host": "orders:8080",
    "request": {"method": "POST", "target": "/orders?x=1", "headers": {"X-A": "1"}, "body_json": {"a": [1]}},
    "response": {"status": 201, "headers": [["Location", "/orders/1"], ["X", "2"]], "body": "ok"},
}


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "x.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_lines_become_exchanges(tmp_path: Path) -> None:
    other = {
        "at": 1767323046.5,
        "request": {"method": "get", "url": "http://orders:8080/orders/1"},
        "response": {"status": 200, "body_base64": base64.b64encode(b"\xff").decode()},
        "session": "bob",
    }
    recording = load(write(tmp_path, GOOD, "", other))
    alice, bob = recording.sessions
    assert (alice.id, bob.id) == ("alice", "bob")
    (first,), (second,) = alice.exchanges, bob.exchanges
    assert first.request.body == b'{"a":[1]}'
    assert first.request.headers == (("X-A", "1"),)
    assert first.response.headers == (("Location", "/orders/1"), ("X", "2"))
    assert (first.took, first.host, first.response.body) == (0.25, "orders:8080", b"ok")
    assert (second.at, second.request.method, second.request.target) == (1.5, "GET", "/orders/1")
    assert (second.response.body, second.line) == (b"\xff", 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('{"at": 1', ":2: is not JSON"),
        ("[]", ":2: must be an object"),
        ({"at": None}, ":2: at: is missing"),
        ({"at": -5}, ":2: at: must be seconds"),
        ({"took": -1}, ":2: took: "),
        ({"host": "a b"}, ":2: host: is no host"),
        ({"host": None}, ":2: host: names no host"),
        ({"session": 5}, ":2: session: "),
        ({"request": None}, ":2: request: is missing"),
        ({"response": {"status": 42}}, ":2: response.status: is no status code"),
        ({"request": {"method": "GET", "target": "orders"}}, ":2: request.target: must be a path"),
        ({"request": {"method": "GET", "target": "/", "headers": "x"}}, ":2: request.headers: "),
        ({"request": {"method": "GET", "target": "/", "headers": {"A": "b\nc"}}}, "header injection"),
        ({"request": {"method": "GET", "target": "/", "body_base64": "?"}}, "request.body_base64: does not decode"),
        ({"request": {"method": "GET", "target": "/", "body": "", "body_json": 1}}, "has one body"),
        ({"request": {"method": "GET", "target": "/", "body": 1}}, "request.body: must be text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Any, message: str) -> None:
    path = write(tmp_path, GOOD, change if isinstance(change, str) else {**GOOD, **change})
    with pytest.raises(BadInput) as caught:
        load(path)
    assert message in str(caught.value)


def test_an_empty_file_has_no_exchanges(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a recording with no exchanges"):
        load(write(tmp_path, "", ""))

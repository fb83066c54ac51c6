"""Whatever a file holds, reading it gives a recording or BadInput; a HAR is read the same whole and streamed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.errors import BadInput
from verifier.recording.goreplay import SEPARATOR
from verifier.recording.har import read_har
from verifier.recording.load import load
from verifier.recording.model import Recording

SEED = json.dumps({
    "log": {"entries": [{
        "startedDateTime": "2026-01-02T03:04:05Z", "time": 1, "_session": "a",
        "request": {"method": "POST", "url": "http://h:1/a?b=c", "headers": [{"name": "Cookie", "value": "a=bbbbbbb"}],
                    "postData": {"mimeType": "text/plain; charset=utf-16", "text": "x"}},
        "response": {"status": 200, "headers": [{"name": "Set-Cookie", "value": "a=b"}],
                     "content": {"text": "AAAA", "encoding": "base64", "size": 3}}}]},
}).encode()  # fmt: skip
LINE = json.dumps({
    "at": 1, "host": "h", "request": {"method": "GET", "target": "/", "headers": [["A", "b"]]},
    "response": {"status": 200, "body_base64": "AAAA"},
}).encode()  # fmt: skip
CAPTURE = (
    b"1 a 1767323045000000000\nGET / HTTP/1.1\r\nHost: h\r\n\r\n" + SEPARATOR
    + b"2 a 1767323045000000001 5\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" + SEPARATOR
)  # fmt: skip

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
HOSTILE = st.sampled_from(
    ["", "\0", "a\r\nb: c", "\ud800", "9" * 40, "http://[", "http://h:x/", "ws://h", "é", "%zz", "1e999", "\u2028"]
)
ANYTHING = st.recursive(
    SCALARS | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


def read(path: Path, content: bytes) -> Recording | str:
    path.write_bytes(content)
    try:
        return load(path)
    except BadInput as bad:
        assert bad.problems
        assert all(problem.file == str(path) and problem.message for problem in bad.problems)
        return str(bad)


def agrees_streamed(path: Path, whole: Recording | str) -> None:
    try:
        streamed = read_har(path, largest_whole=0)
    except BadInput:
        assert isinstance(whole, str)
    else:
        # A browser's mark in `log` is only seen in a file read whole.
        assert isinstance(whole, str) or [item for session in streamed.sessions for item in session.exchanges]


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    content = bytearray(seed)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        end = at + draw(st.integers(0, 5))
        content[at:end] = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"[", b"null", b"1e999", b"\\ud800", b"-1"])
        )
    return bytes(content[: draw(st.integers(0, len(content)))]) if draw(st.integers(0, 3)) == 0 else bytes(content)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(value[at[0]], at[1:], new)
    return copy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(at=st.sampled_from(places(json.loads(SEED))), new=ANYTHING)
@settings(max_examples=250, deadline=None)
def test_a_har_with_anything_in_any_place(folder: Path, at: tuple[Any, ...], new: Any) -> None:
    path = folder / "place.har"
    agrees_streamed(path, read(path, json.dumps(replaced(json.loads(SEED), at, new)).encode()))


@given(content=mutated(SEED) | st.binary(max_size=60))
@settings(max_examples=250, deadline=None)
def test_har_bytes(folder: Path, content: bytes) -> None:
    path = folder / "bytes.har"
    agrees_streamed(path, read(path, content))


@given(at=st.sampled_from(places(json.loads(LINE))), new=ANYTHING)
@settings(max_examples=150, deadline=None)
def test_a_line_with_anything_in_any_place(folder: Path, at: tuple[Any, ...], new: Any) -> None:
    read(folder / "place.jsonl", json.dumps(replaced(json.loads(LINE), at, new)).encode())


@given(content=mutated(LINE + b"\n" + LINE) | st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_line_bytes(folder: Path, content: bytes) -> None:
    read(folder / "bytes.jsonl", content)


@given(content=mutated(CAPTURE) | st.binary(max_size=60))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_capture_bytes(folder: Path, content: bytes) -> None:
    read(folder / "bytes.gor", content)

"""GoReplay captures."""

import gzip
from pathlib import Path

import pytest

from verifier.errors import BadInput
from verifier.recording.goreplay import SEPARATOR
from verifier.recording.load import load

TIME = 1_767_323_045_000_000_000


def payload(kind: int, name: str, message: bytes, after: int = 0, latency: str = "") -> bytes:
    return f"{kind} {name} {TIME + after}{latency}\n".encode() + message + SEPARATOR


POST = b"POST /orders HTTP/1.1\r\nHost: orders:8080\r\nContent-Length: 2\r\nX-A: 1\r\n\r\n{}"
CREATED = b"HTTP/1.1 201 Created\r\nLocation: /orders/1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
GET = b"GET /orders/1 HTTP/1.1\r\nHost: orders:8080\r\n\r\n"


def write(folder: Path, *payloads: bytes) -> Path:
    path = folder / "x.gor"
    path.write_bytes(b"".join(payloads))
    return path


def test_requests_and_answers_are_paired_by_id(tmp_path: Path) -> None:
    zipped = gzip.compress(b"hello")
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped
    recording = load(
        write(
            tmp_path,
            payload(1, "aa", POST),
            payload(1, "bb", GET, 2_000_000_000),
            payload(2, "bb", answer, 2_500_000_000),
            payload(2, "aa", CREATED, 1_000, " 12000000"),
            payload(3, "aa", CREATED, 5_000),
        )
    )
    first, second = recording.sessions[0].exchanges
    assert (first.request.method, first.request.target, first.request.body) == ("POST", "/orders", b"{}")
    assert first.request.headers == (("Host", "orders:8080"), ("X-A", "1"))
    assert first.response.headers == (("Location", "/orders/1"),)
    assert (first.response.body, first.took, first.host) == (b"abc", 0.012, "orders:8080")
    assert (second.at, second.took, second.response.body, second.response.headers) == (2.0, 0.5, b"hello", ())
    assert recording.began == 1767323045.0


def test_what_has_no_partner_is_skipped(tmp_path: Path) -> None:
    recording = load(
        write(
            tmp_path,
            payload(1, "aa", POST),
            payload(2, "aa", CREATED),
            payload(1, "bb", GET),
            payload(2, "cc", CREATED),
        )
    )
    assert len(recording.sessions[0].exchanges) == 1
    assert set(recording.warnings) == {
        "entry 3: skipped: no answer was captured",
        "entry 4: skipped: an answer without its request",
    }


def test_a_cut_answer_is_told(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"
    recording = load(write(tmp_path, payload(1, "aa", GET), payload(2, "aa", cut)))
    assert recording.warnings == ("entry 1: the answer's body is cut short",)


@pytest.mark.parametrize(
    ("request_bytes", "answer", "message"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", CREATED, "request.headers.host: names no host"),
        (b"hello\r\n\r\n", CREATED, "request: is no HTTP/1 message"),
        (b"", CREATED, "request: is no HTTP message"),
        (POST[:-1], CREATED, "request.body: is cut short"),
        (GET, b"HTTP/1.1 999 X\r\n\r\n", "response.status: is no status code"),
        (GET, b"", "response: is no HTTP message"),
        (GET, CREATED[:30], "response: is no HTTP message, or is cut short"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, request_bytes: bytes, answer: bytes, message: str
) -> None:
    good = payload(1, "aa", POST) + payload(2, "aa", CREATED)
    path = write(tmp_path, good, payload(1, "bb", request_bytes), payload(2, "bb", answer))
    with pytest.raises(BadInput) as caught:
        load(path)
    line = good.count(b"\n") + 1
    assert str(caught.value).startswith(f"{path}:{line}: payload[2].")
    assert message in str(caught.value)


@pytest.mark.parametrize("head", [b"9 aa 1\n", b"1 aa\n", b"1 aa soon\n", b"\xff\xfe\n"])
def test_a_wrong_head(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(BadInput, match=r"payload\[0\]\.head"):
        load(write(tmp_path, head + GET))

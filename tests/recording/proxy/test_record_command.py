"""`verifier record` as a process: signals, files and flags."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from verifier.cli.record import record
from verifier.http.client import WireClient
from verifier.http.message import Request
from verifier.recording.har import read_har

TOKEN = "Bearer abcdefgh12345678"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path == "/stream":
            body = b'data: {"id": 1, "password": "hunter2hunter2"}\n\nid: 7\ndata: plain\n\n'
        self.send_response(201)
        self.send_header("Content-Type", "text/event-stream" if self.path == "/stream" else "application/json")
        self.send_header("Set-Cookie", "session=0123456789abcdef; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def send(self, *requests: Request) -> None:
        async def main() -> None:
            client = WireClient()
            for request in requests:
                answer = await client.send("127.0.0.1", self.port, request)
                assert answer.response is not None
                assert answer.response.status == 201
            await client.close()

        asyncio.run(main())

    def printed(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        assert self.process.stderr is not None
        rest = self.process.stderr.read()
        return self.process.wait(20), rest


@contextmanager
def recording(service: int, out: Path, *more: str) -> Iterator[Running]:
    code = "from verifier.cli.record import record; record()"
    arguments = ["--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{service}", "--out", str(out), *more]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("recording http://127.0.0.1:"), line
        yield Running(process, int(line.split(" -> ")[0].rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_whole_file(service: int, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "recordings" / "shop.har"  # in a folder that is not there yet
    body = b'{"card": "4111", "note": "n", "password": "hunter2hunter2"}'
    headers = (("Authorization", TOKEN), ("Content-Type", "application/json"), ("X-User", "ann"))
    with recording(service, out, "--redact", "card", "--session-header", "X-User") as running:
        running.send(Request("POST", "/a", headers, body), Request("POST", "/stream", (("X-User", "bob"),)))
        assert not out.exists()
        status, said = running.end(number)
    assert (status, "2 exchanges" in said) == (0, True)
    assert [path.name for path in out.parent.iterdir()] == ["shop.har"]
    text = out.read_text()
    for secret in ("abcdefgh12345678", "hunter2", "4111", "0123456789abcdef"):
        assert secret not in text
    entries = json.loads(text)["log"]["entries"]
    assert [entry["_session"] for entry in entries] == ["s1", "s2"]
    assert entries[1]["_kind"] == "eventsource"
    events = entries[1]["response"]["content"]["text"]
    assert events.startswith('data: {"id":1,"password":"redacted-')
    assert events.endswith("id: 7\ndata: plain\n\n")
    read = read_har(out)
    assert [session.id for session in read.sessions] == ["s1", "s2"]
    first = read.sessions[0].exchanges[0]
    assert (first.request.method, first.request.target, first.response.status) == ("POST", "/a", 201)
    assert json.loads(first.request.body)["note"] == "n"


def test_what_it_redacted_and_nothing_issues_is_printed_for_the_matrix(service: int, tmp_path: Path) -> None:
    out = tmp_path / "shop.har"
    session = (("Cookie", "session=0123456789abcdef"),)  # which the service has set
    with recording(service, out) as running:
        running.send(Request("POST", "/a", (("Authorization", TOKEN),), b"{}"), Request("POST", "/b", session, b"{}"))
        status, said = running.end(signal.SIGINT)
        printed = running.printed()
    assert (status, "no recorded response issues them" in said) == (0, True)
    (traffic,) = yaml.safe_load(printed)["traffic"]
    first = read_har(out).sessions[0].exchanges[0]
    placeholder = dict(first.request.headers)["Authorization"].removeprefix("Bearer ")
    assert traffic == {"recording": "shop.har", "credentials": {placeholder: {"env": "VERIFIER_TOKEN"}}}
    with recording(service, tmp_path / "plain.har") as running:
        running.send(Request("POST", "/a", (), b"{}"))
        status, said = running.end(signal.SIGINT)
        assert (status, running.printed(), "secrets" in said) == (0, "", False)


def test_a_kill_leaves_nothing_that_looks_whole(service: int, tmp_path: Path) -> None:
    out = tmp_path / "shop.har"
    out.write_text("earlier")
    with recording(service, out) as running:
        running.send(Request("POST", "/a", (), b"{}"))
        running.end(signal.SIGKILL)
    assert out.read_text() == "earlier"
    assert all(path.name == "shop.har" or path.suffix == ".part" for path in tmp_path.iterdir())


def test_several_services_are_recorded_into_one_file_from_other_addresses(service: int, tmp_path: Path) -> None:
    out = tmp_path / "shop.har"
    code = "from verifier.cli.record import record; record()"
    pairs = [("0.0.0.0:0", "orders"), ("127.0.0.1:0", "payments:8081")]
    flags = [
        part
        for where, name in pairs
        for part in ("--listen", where, "--to", f"http://127.0.0.1:{service}", "--as", name)
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *flags, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in pairs]  # before anything is sent
        assert [line.split(":")[1] for line in told] == ["//0.0.0.0", "//127.0.0.1"]
        for path, line in zip(("/a", "/b"), told, strict=True):
            Running(process, int(line.split(" -> ")[0].rpartition(":")[2])).send(Request("POST", path, (), b"{}"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    entries = json.loads(out.read_text())["log"]["entries"]
    assert [entry["request"]["url"] for entry in entries] == ["http://orders/a", "http://payments:8081/b"]
    assert [entry["connection"] for entry in entries] == ["1", "2"], "no two clients share a connection"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--listen", "127.0.0.1:0"], "--to"),
        (["--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1", "--as", "orders"], "--as"),
    ],
)
def test_each_address_has_a_service_of_its_own(tmp_path: Path, more: list[str], named: str) -> None:
    flags = ["--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1", "--out", str(tmp_path / "x.har")]
    result = CliRunner().invoke(record, [*flags, *more])
    assert result.exit_code == 2 and f"{named}: is given" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--listen", "0.0.0.0:x"),
        ("--listen", "example.org:80"),
        ("--listen", "127.0.0.1"),
        ("--listen", "127.0.0.1:99999"),
        ("--to", "ftp://127.0.0.1"),
        ("--to", "127.0.0.1:80"),
        ("--to", "http://127.0.0.1:80/base"),
        ("--to", "http://127.0.0.1:port"),
        ("--out", "/dev/null/at/all/x.har"),
    ],
)
def test_bad_flags_are_named(tmp_path: Path, flag: str, value: str) -> None:
    flags = {"--listen": "127.0.0.1:0", "--to": "http://127.0.0.1:1", "--out": str(tmp_path / "x.har"), flag: value}
    result = CliRunner().invoke(record, [part for pair in flags.items() for part in pair])
    assert result.exit_code == 2
    assert flag in result.output
    assert list(tmp_path.iterdir()) == []

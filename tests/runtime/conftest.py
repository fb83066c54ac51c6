"""Both runtimes behind one face: every test of the contract runs on real processes and on real containers."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from verifier.runtime.base import Readiness as Ready
from verifier.runtime.base import ReplicaSpec, Runtime
from verifier.runtime.docker import DockerRuntime
from verifier.runtime.process import ProcessRuntime

IMAGE = "python:3.11-slim"

# A service in one argument, so that it runs in any image with Python. No braces: they are placeholders.
SERVICE = """
import http.server, os, signal, sys, time
host, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
print("hello from", mode, flush=True)
if mode == "broken":
    sys.exit(3)
if mode == "silent":
    time.sleep(600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os._exit(9)
        body = os.environ.get(self.path[1:], "").encode()
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest):
        pass
def stop(number, frame):
    if mode == "stubborn":
        return
    for line in range(2000):
        print("farewell", line)
    print("the end", flush=True)
    os._exit(7)
signal.signal(signal.SIGTERM, stop)
if mode == "slow":
    time.sleep(0.3)
server = http.server.ThreadingHTTPServer((host, port), Handler)
print("listening", flush=True)
server.serve_forever()
"""

_numbers = itertools.count(1)


@dataclass(slots=True)
class World:
    """One runtime to try, with what it takes to describe replicas for it."""

    name: Literal["docker", "process"]
    directory: Path
    image: str | None
    run_id: str = field(default_factory=lambda: f"test-{os.getpid()}-{next(_numbers)}")

    def make(self, **options: Any) -> ProcessRuntime | DockerRuntime:
        kind = DockerRuntime if self.name == "docker" else ProcessRuntime
        return kind(self.run_id, self.directory, **options)

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncIterator[Runtime]:
        runtime = self.make(**options)
        try:
            await runtime.open()
            yield runtime
        finally:
            await runtime.close()

    def replica(
        self, identity: str, mode: str = "normal", ready: Ready | None = None, command: tuple[str, ...] | None = None,
        environment: tuple[tuple[str, str], ...] = (), aliases: tuple[str, ...] = (),
    ) -> ReplicaSpec:  # fmt: skip
        return ReplicaSpec(
            id=identity, service="orders", version="1.4", port=8080, image=self.image, build=None,
            command=command or ("python3", "-c", SERVICE, "{host}", "{port}", mode),
            directory=self.directory, environment=environment, aliases=aliases,
            readiness=ready or Ready("http", "/", 20.0), log=self.directory / f"{identity}.log",
        )  # fmt: skip


@pytest.fixture
def process_world(tmp_path: Path) -> World:
    return World("process", tmp_path, None)


@pytest.fixture
def docker_world(tmp_path: Path, engine: object) -> World:
    return World("docker", tmp_path, IMAGE)


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def world(request: pytest.FixtureRequest) -> World:
    """The same test on both runtimes."""
    chosen: World = request.getfixturevalue(f"{request.param}_world")
    return chosen


@pytest.fixture
def fetch() -> Callable[..., tuple[int, str]]:
    import httpx

    def get(address: Any, path: str, within: float = 10.0) -> tuple[int, str]:
        answer = httpx.get(f"http://{address.host}:{address.port}{path}", trust_env=False, timeout=within)
        return answer.status_code, answer.text

    return get

"""Real processes for the tests of the shop and for its recording: services, and a payment provider that counts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import httpx

SHOP = Path(__file__).resolve().parent
READY_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode} before it was ready:\n{log.read_text()}")
        try:
            if httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"{url} was not ready in {READY_SECONDS} s:\n{log.read_text()}")


class Psp(AbstractContextManager["Psp"]):
    """The payment provider: one charge per Idempotency-Key. `hold` holds answers up, `lose` loses some."""

    def __init__(self) -> None:
        self.charges: Counter[str] = Counter()
        self.calls: list[tuple[str, str, str | None]] = []  # reference, key, traceparent
        self.lose: set[int] = set()  # numbers of calls, from 0, whose answer is lost after the charge
        self.hold = threading.Event()
        self.hold.set()
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Psp:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def charge(self, reference: str, key: str, trace: str | None) -> bool:
        """Count the charge; True when its answer is to be sent."""
        with self._lock:
            number = len(self.calls)
            self.calls.append((reference, key, trace))
            if key not in self._keys:
                self._keys.add(key)
                self.charges[reference] += 1
        self.hold.wait()
        return number not in self.lose

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        psp = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers["Idempotency-Key"]
                if not psp.charge(body["reference"], key, self.headers.get("traceparent")):
                    self.close_connection = True
                    return
                answer = json.dumps({"id": f"psp-{key}", "status": "captured"}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the calls are counted."""

        return Handler


@dataclass(slots=True)
class Replica:
    """One running copy. `url` is where it answers."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(kind)
        return self.process.wait(timeout=20)


class Shop(AbstractContextManager["Shop"]):
    """Replicas on one database; all of them end with the block."""

    def __init__(self, folder: Path, database: str, psp: str) -> None:
        self._folder = folder
        self._environment = {**os.environ, "DATABASE_URL": database, "PSP_URL": psp}
        self._replicas: list[Replica] = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for replica in self._replicas:
            if replica.process.poll() is None:
                replica.process.kill()
                replica.process.wait()

    def launch(self, service: str, release: str, environment: Mapping[str, str] | None = None) -> Replica:
        """Start a replica without waiting for it."""
        port = free_port()
        command = [sys.executable, "-m", f"shop.{service}", "--release", release, "--port", str(port)]
        log = self._folder / f"{service}-{release}-{len(self._replicas)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=SHOP, env={**self._environment, **(environment or {})}, stdout=out, stderr=out
            )
        replica = Replica(process, f"http://127.0.0.1:{port}", log)
        self._replicas.append(replica)
        return replica

    def start(self, payments: Sequence[str], orders: Sequence[str]) -> tuple[list[Replica], list[Replica]]:
        """Start replicas of these releases and wait for all; orders replica i calls payments replica i, in turn."""
        charging = [self.launch("payments", release) for release in payments]
        taking = [
            self.launch("orders", release, {"PAYMENTS_URL": charging[number % len(charging)].url})
            for number, release in enumerate(orders)
        ]
        for replica in (*charging, *taking):
            wait_ready(replica.process, replica.url, replica.log)
        return charging, taking

    def migrate(self, release: str, phase: str) -> None:
        command = [sys.executable, "-m", "shop.migrate", "--release", release, phase]
        done = subprocess.run(command, cwd=SHOP, env=self._environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{phase} failed:\n{done.stdout}{done.stderr}")

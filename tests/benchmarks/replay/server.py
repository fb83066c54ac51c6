"""One nginx of the benchmark's own: a temporary folder, a loopback port, one worker."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Each answer carries a fresh id, so that correlation has something to carry into the next request.
CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{
            return 200 '{{"id":"$request_id","status":"open","items":[{{"sku":"a-1","count":2}},{{"sku":"b"}}]}}';
        }}
    }}
}}
"""


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


@contextmanager
def nginx() -> Iterator[int]:
    """Runs nginx on the first core and yields its port; ends it afterwards."""
    with tempfile.TemporaryDirectory(prefix="verifier-benchmark-") as name:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
        first = cores()[0]
        process = subprocess.Popen(
            ["nginx", "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"],
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {first}),
        )
        try:
            _wait(process, port)
            yield port
        finally:
            process.terminate()
            process.wait(10)
            assert process.stderr is not None
            process.stderr.close()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"nginx ended at once: {process.stderr.read().decode(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError("nginx did not listen within 10 s")

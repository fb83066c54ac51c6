"""Sums over HTTP, worked out by huey: `python sums.py RELEASE --port 8080`.

POST /jobs {"numbers": [...]} → 202 {"id"}; GET /jobs/ID → {"id", "state": "queued" or "done", "sum"}. Queue and
results are huey's, in the SQLite file that DATABASE_URL names. The consumer of huey runs in the process that serves.

Releases: `1`, and `same` with the same code; `renamed` calls the task by another name. It still knows the old name, so
it does all work; the consumers of `1` take what they do not know out of the queue and log an error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from huey import SqliteHuey
from huey.api import TaskWrapper

RELEASES = ("1", "same", "renamed")


def total(numbers: list[int]) -> int:
    return sum(numbers)


def handler(queue: SqliteHuey, task: TaskWrapper) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self._respond(200, {"status": "ok"})
            name = self.path.removeprefix("/jobs/")
            value = queue.result(name, preserve=True)
            return self._respond(200, {"id": name, "state": "queued" if value is None else "done", "sum": value})

        def do_POST(self) -> None:
            numbers = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["numbers"]
            self._respond(202, {"id": task(numbers).id})

        def _respond(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    queue = SqliteHuey("sums", filename=os.environ["DATABASE_URL"].removeprefix("sqlite:///"), timeout=20)
    task = queue.task(name="total")(total)
    if options.release == "renamed":
        task = queue.task(name="sum_of_numbers")(total)
    consumer = queue.create_consumer(workers=1, periodic=False, initial_delay=0.02, max_delay=0.05)
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(queue, task)) as server:
        server.daemon_threads = False
        consumer.start()
        # Starting a consumer takes the signals. A shutdown waits for the serving loop, so it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)
    consumer.stop(graceful=True)


if __name__ == "__main__":
    main()

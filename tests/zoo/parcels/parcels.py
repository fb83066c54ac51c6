"""Parcels that are sent through RabbitMQ: `python parcels.py RELEASE --port 8080`. Needs pika.

POST /parcels {"to": …} accepts a parcel (202) and publishes a message; GET /parcels/ID tells its state: queued or sent.
Each replica also consumes the messages, one at a time, and notes in the SQLite file that DATABASE_URL names what it has
sent. BROKER_URL names the broker.

Releases: `1` publishes {"id": …, "to": …} and rejects every other message, without putting it back; `2` does the same;
`nested` publishes {"parcel": {"id": …, "to": …}} and reads both.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pika

RELEASES = ("1", "2", "nested")
QUEUE = "parcels"
TABLE = "CREATE TABLE IF NOT EXISTS parcels (id TEXT PRIMARY KEY, state TEXT)"


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def channel() -> Any:
    """A channel on a connection of its own, for one thread at a time; the queue is there."""
    settings = pika.URLParameters(os.environ["BROKER_URL"])
    settings.heartbeat = 0
    opened = pika.BlockingConnection(settings).channel()
    opened.queue_declare(QUEUE, durable=True)
    return opened


class Publisher:
    def __init__(self, release: str) -> None:
        self._nested = release == "nested"
        self._one = threading.Lock()
        self._channel = channel()
        self._channel.confirm_delivery()

    def publish(self, parcel: dict[str, str]) -> None:
        message = {"parcel": parcel} if self._nested else parcel
        with self._one:
            self._channel.basic_publish("", QUEUE, json.dumps(message).encode())


def consume(release: str) -> None:
    """Send the parcels of all messages, for ever."""
    own = channel()
    own.basic_qos(prefetch_count=1)
    for method, _, body in own.consume(QUEUE):
        message = json.loads(body)
        parcel = message.get("parcel", message) if release == "nested" else message
        if "id" not in parcel:
            print("rejected", body.decode(), flush=True)
            own.basic_reject(method.delivery_tag, requeue=False)
            continue
        with database() as parcels:
            parcels.execute("UPDATE parcels SET state = 'sent' WHERE id = ?", (parcel["id"],))
        own.basic_ack(method.delivery_tag)


class Parcels(BaseHTTPRequestHandler):
    publisher: Publisher
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self._answer(200, {"status": "ok"})
        name = self.path.rpartition("/")[2]
        with database() as parcels:
            row = parcels.execute("SELECT state FROM parcels WHERE id = ?", (name,)).fetchone()
        return self._answer(200, {"id": name, "state": row[0]}) if row else self._answer(404, {"error": "no parcel"})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        parcel = {"id": str(uuid.uuid4()), "to": sent["to"]}
        with database() as parcels:
            parcels.execute("INSERT INTO parcels VALUES (?, 'queued')", (parcel["id"],))
        self.publisher.publish(parcel)
        self._answer(202, {"id": parcel["id"], "state": "queued"})

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    with database() as parcels:
        parcels.execute(TABLE)
    Parcels.publisher = Publisher(options.release)
    threading.Thread(target=consume, args=(options.release,), daemon=True).start()
    ThreadingHTTPServer((options.host, options.port), Parcels).serve_forever()


if __name__ == "__main__":
    main()

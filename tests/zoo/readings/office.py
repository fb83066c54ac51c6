"""An office over HTTP with nothing but the standard library: `python office.py RELEASE --port 8080`.

Customers have an address (PUT and GET /customers/NAME), bills an amount (POST /bills, PUT and GET /bills/ID, read
through a cache that all replicas share), payments a key (POST /payments), prices a cache of each replica that lags by
30 ms (PUT and GET /prices/NAME), and GET /load tells how busy it is. All is in the SQLite file that DATABASE_URL names.

Releases: `1`; `split` keeps addresses in a column of its own, to which the old ones were copied once; `cents` caches
amounts in cents under the same key; `lock` takes another lock for a payment; `kind` renders numbers and empty texts in
another way, and does all the rest so that `1` can live beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("1", "split", "cents", "lock", "kind")
LAG = 0.03  # seconds for which a replica believes its own price
WORK = 0.04  # seconds that a payment takes
TABLES = (
    "CREATE TABLE IF NOT EXISTS customers (name TEXT PRIMARY KEY, email TEXT DEFAULT '', mail TEXT DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS bills (id TEXT PRIMARY KEY, amount REAL, note TEXT)",
    "CREATE TABLE IF NOT EXISTS cache (id TEXT PRIMARY KEY, amount REAL, cents INTEGER)",
    "CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, key TEXT)",
    "CREATE TABLE IF NOT EXISTS locks (name TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS prices (name TEXT PRIMARY KEY, price TEXT)",
)


@contextmanager
def database(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


class Office:
    def __init__(self, release: str, file: str) -> None:
        self.release, self.file = release, file
        self.prices: dict[str, tuple[float, str]] = {}
        self.answered = 0

    def handle(self, method: str, path: str, sent: Any, key: str) -> tuple[int, Any]:
        self.answered += 1
        _, kind, *rest = path.split("/")
        name = rest[0] if rest else ""
        if kind == "load":
            return 200, {"active": self.answered % 7}
        if kind == "payments":
            return 201, {"id": self.pay(key)}
        with database(self.file) as connection:
            if kind == "customers":
                return self.customer(connection, method, name, sent)
            if kind == "bills":
                return self.bill(connection, method, name, sent)
            return self.price(connection, method, name, sent)

    def customer(self, db: sqlite3.Connection, method: str, name: str, sent: Any) -> tuple[int, Any]:
        if method == "PUT":
            columns = {"split": ("mail",), "kind": ("email", "mail")}.get(self.release, ("email",))
            for column in columns:
                db.execute(
                    f"INSERT INTO customers (name, {column}) VALUES (?, ?)"
                    f" ON CONFLICT (name) DO UPDATE SET {column} = excluded.{column}",
                    (name, sent["email"]),
                )
            return 200, {"name": name, "email": sent["email"]}
        column = "mail" if self.release == "split" else "email"
        row = db.execute(f"SELECT {column} FROM customers WHERE name = ?", (name,)).fetchone()
        return (200, {"name": name, "email": row[0]}) if row else (404, {"error": "nobody"})

    def bill(self, db: sqlite3.Connection, method: str, name: str, sent: Any) -> tuple[int, Any]:
        if method != "GET":
            name = name or str(uuid.uuid4())
            note = sent["note"]
            db.execute("INSERT OR REPLACE INTO bills VALUES (?, ?, ?)", (name, sent["amount"], note))
            db.execute("DELETE FROM cache WHERE id = ?", (name,))
            return (201 if method == "POST" else 200), self.rendered(name, sent["amount"], note)
        row = db.execute("SELECT amount, note FROM bills WHERE id = ?", (name,)).fetchone()
        if row is None:
            return 404, {"error": "no such bill"}
        return 200, self.rendered(name, self.cached(db, name, row[0]), row[1])

    def cached(self, db: sqlite3.Connection, name: str, amount: float) -> float:
        """The amount as the cache has it, which is filled when it is first asked for."""
        found = db.execute("SELECT amount, cents FROM cache WHERE id = ?", (name,)).fetchone()
        if found is None:
            cents = self.release == "cents"
            db.execute("INSERT INTO cache VALUES (?, ?, ?)", (name, amount * 100 if cents else amount, cents))
            return amount
        known: float = found[0]
        return known / 100 if self.release == "cents" and found[1] else known

    def rendered(self, name: str, amount: float, note: str) -> dict[str, Any]:
        if self.release == "kind":
            return {"id": name, "amount": float(amount), "note": note}
        return {"id": name, "amount": int(amount) if amount == int(amount) else amount, "note": note or None}

    def price(self, db: sqlite3.Connection, method: str, name: str, sent: Any) -> tuple[int, Any]:
        if method == "PUT":
            db.execute("INSERT OR REPLACE INTO prices VALUES (?, ?)", (name, sent["price"]))
            return 200, {"name": name}
        believed, known = self.prices.get(name, (0.0, ""))
        if time.monotonic() > believed + LAG:
            row = db.execute("SELECT price FROM prices WHERE name = ?", (name,)).fetchone()
            known = row[0] if row else ""
            self.prices[name] = (time.monotonic(), known)
        return (200, {"name": name, "price": known}) if known else (404, {"error": "no such price"})

    def pay(self, key: str) -> str:
        names = {"lock": ["admit"], "kind": ["pay", "admit"]}.get(self.release, ["pay"])
        for name in names:
            self.take(f"{name}:{key}")
        try:
            with database(self.file) as db:
                row = db.execute("SELECT id FROM payments WHERE key = ?", (key,)).fetchone()
            if row is None:
                time.sleep(WORK)
                row = (str(uuid.uuid4()),)
                with database(self.file) as db:
                    db.execute("INSERT INTO payments VALUES (?, ?)", (row[0], key))
        finally:
            with database(self.file) as db:
                db.executemany("DELETE FROM locks WHERE name = ?", [(f"{name}:{key}",) for name in names])
        return str(row[0])

    def take(self, name: str) -> None:
        for _ in range(1000):
            try:
                with database(self.file) as db:
                    db.execute("INSERT INTO locks VALUES (?)", (name,))
            except sqlite3.IntegrityError:
                time.sleep(0.01)
            else:
                return
        raise TimeoutError(f"nobody gives {name} back")


def handler(office: Office) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/healthz":
                return self._respond(200, {"status": "ok"})
            key = self.headers.get("Idempotency-Key") or ""
            return self._respond(*office.handle(self.command, self.path, json.loads(body or b"null"), key))

        do_GET = do_PUT = do_POST = _any

        def _respond(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int)
    parser.add_argument("--migrate", action="store_true", help="copy addresses to the new column, once")
    options = parser.parse_args()
    file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with database(file) as db:
        for table in TABLES:
            db.execute(table)
        if options.migrate:
            db.execute("UPDATE customers SET mail = email")
    if options.port is None:
        return
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(Office(options.release, file))) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()

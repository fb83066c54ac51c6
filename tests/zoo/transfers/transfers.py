"""Transfers over HTTP, kept in the SQLite file that DATABASE_URL names: `python transfers.py RELEASE --port 8080`.

POST /transfers {"reference", "amount"} → 200 {"reference"}; GET /transfers/REFERENCE → {"reference", "amount"}. A
reference is transferred once. A second later a thread books what it finds.

Releases: `1`, and `same` with the same code; `rekeyed` keeps its references under other keys, so that a retry that
reaches the other release is transferred again. No response tells of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RELEASES = ("1", "same", "rekeyed")
BOOKED_AFTER = 0.5  # seconds


def connect() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"), timeout=20, isolation_level=None)


def book() -> None:
    while True:
        time.sleep(0.1)  # a background job that looks again and again
        database = connect()
        database.execute("UPDATE transfers SET booked = 1 WHERE booked = 0 AND at < ?", (time.time() - BOOKED_AFTER,))
        database.close()


class Handler(BaseHTTPRequestHandler):
    release = ""
    timeout = 5

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self._respond(200, {"status": "ok"})
        reference, database = self.path.removeprefix("/transfers/"), connect()
        row = database.execute("SELECT amount FROM transfers WHERE reference = ?", (reference,)).fetchone()
        database.close()
        return self._respond(200 if row else 404, {"reference": reference, "amount": row[0] if row else None})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, database = f"{'new:' if self.release == 'rekeyed' else ''}{sent['reference']}", connect()
        values = (key, sent["reference"], sent["amount"], time.time())
        database.execute("INSERT OR IGNORE INTO transfers (key, reference, amount, at) VALUES (?, ?, ?, ?)", values)
        database.close()
        self._respond(200, {"reference": sent["reference"]})

    def _respond(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    Handler.release = options.release
    database = connect()
    database.execute(
        "CREATE TABLE IF NOT EXISTS transfers "
        "(key TEXT PRIMARY KEY, reference TEXT, amount INTEGER, at REAL, booked INTEGER DEFAULT 0)"
    )
    database.close()
    threading.Thread(target=book, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()

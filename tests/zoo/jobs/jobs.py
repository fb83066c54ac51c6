"""Work that is accepted now and done later: `python jobs.py RELEASE --port 8080`, standard library only.

POST /listed {"n"} → GET /listed, what is done of everybody · POST /paged {"owner", "titles"} → GET /paged/OWNER?page=N,
two titles a page · POST /searched {"text"} → GET /searched?q=TEXT · POST /reports → GET /reports/ID, 404 until it is
there · PUT /pages/NAME {"text"} → GET /pages/NAME, whose ETag changes when it is rendered · POST /hooks {"reference"} →
GET /hooks/ID, and a call of HOOK_URL/deliveries · POST /counted → GET /counted/ID, with how often it was run. A thread
of each replica does the work. All is in the SQLite file that DATABASE_URL names. Releases:

`1`           takes what is open, and ticks off unseen what it does not know (form 2)
`ready`       knows both forms and writes the one that `1` knows: `1` can live beside it
`lost`        knows both forms and writes form 2, and looks for work so seldom that `1` is there first
`twice`       takes a lock of its own, so that `1` may do the same work at the same time
`heir`        `1` leaves all work to it while it lives, and it does only what it wrote itself
`heir-ready`  `1` leaves all work to it while it lives, and it does all of it
`careless`    as `1`, and loses one job of each store: the seventh
`careless-2`  as `ready`, and loses that job, too
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

RELEASES = ("1", "ready", "lost", "twice", "heir", "heir-ready", "careless", "careless-2")
KINDS = ("listed", "paged", "searched", "reports", "pages", "hooks", "counted")
PAUSE, LONG_PAUSE = 0.02, 0.4  # seconds between two looks for work
LOST = 7  # the number of the job that is lost by careless releases
WORK = {"hooks": 0.05, "counted": 0.05}  # seconds that a job takes; the others take none
PAGE = 2  # titles
TABLES = (
    "CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY, id TEXT, kind TEXT, sent TEXT, form INTEGER, "
    "taken INTEGER DEFAULT 0, locked INTEGER DEFAULT 0, runs INTEGER DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS members (id TEXT PRIMARY KEY, rank INTEGER)",
)


class Jobs:
    def __init__(self, release: str, file: str) -> None:
        self.release, self.file, self.me = release, file, uuid.uuid4().hex
        self.writes = 2 if release in ("lost", "heir") else 1
        self.rank = 2 if release.startswith("heir") else 1
        self.pause = LONG_PAUSE if release == "lost" else PAUSE
        self.stopping = threading.Event()

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=20)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def join(self) -> None:
        with self.database() as db:
            for table in TABLES:
                db.execute(table)
            db.execute("INSERT INTO members VALUES (?, ?)", (self.me, self.rank))

    def leave(self) -> None:
        with self.database() as db:
            db.execute("DELETE FROM members WHERE id = ?", (self.me,))

    def accept(self, kind: str, name: str, sent: Any) -> str:
        with self.database() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (name,))
            columns = "INSERT INTO jobs (id, kind, sent, form) VALUES (?, ?, ?, ?)"
            db.execute(columns, (name, kind, json.dumps(sent), self.writes))
        return name

    def done(self, kind: str) -> list[Any]:
        with self.database() as db:
            rows = db.execute("SELECT sent FROM jobs WHERE kind = ? AND runs > 0 ORDER BY number", (kind,)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def runs(self, name: str) -> tuple[int, Any]:
        with self.database() as db:
            row = db.execute("SELECT runs, sent FROM jobs WHERE id = ?", (name,)).fetchone()
        return (row[0], json.loads(row[1])) if row else (0, None)

    def work(self) -> None:
        while not self.stopping.wait(self.pause):
            for number, kind, sent, form in self._taken():
                if self.release in ("1", "careless") and form > 1:
                    continue  # it knows no such form, and has taken it all the same
                if self.release.startswith("careless") and number == LOST:
                    continue
                if kind == "hooks":
                    self._deliver(json.loads(sent)["reference"])
                self.stopping.wait(WORK.get(kind, 0))
                with self.database() as db:
                    db.execute("UPDATE jobs SET runs = runs + 1, taken = 1, locked = 1 WHERE number = ?", (number,))

    def _taken(self) -> list[tuple[int, str, str, int]]:
        column = "locked" if self.release == "twice" else "taken"
        known = "form = 2" if self.release == "heir" else "TRUE"
        with self.database() as db:
            if db.execute("SELECT max(rank) FROM members").fetchone()[0] > self.rank:
                return []
            open_ = f"SELECT number FROM jobs WHERE {column} = 0 AND runs = 0 AND {known} LIMIT 4"
            return db.execute(
                f"UPDATE jobs SET {column} = 1 WHERE number IN ({open_}) RETURNING number, kind, sent, form"
            ).fetchall()

    def _deliver(self, reference: str) -> None:
        body, headers = json.dumps({"reference": reference}).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(os.environ["HOOK_URL"] + "/deliveries", body, headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            response.read()


def handler(jobs: Jobs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # one request per connection, and a stop waits for those under way

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            kind, _, name = url.path[1:].partition("/")
            if kind == "healthz":
                return self._respond(200, {"status": "ok"})
            if kind == "listed":
                return self._respond(200, [{"n": sent["n"]} for sent in jobs.done(kind)])
            if kind == "paged":
                titles = [title for sent in jobs.done(kind) if sent["owner"] == name for title in sent["titles"]]
                first = PAGE * (int(asked["page"]) - 1)
                return self._respond(200, {"page": int(asked["page"]), "titles": titles[first : first + PAGE]})
            if kind == "searched":
                found = [sent["text"] for sent in jobs.done(kind) if asked["q"] in sent["text"]]
                return self._respond(200, {"hits": [{"title": f"all about {text}"} for text in found]})
            return self._one(kind, name, *jobs.runs(name))

        def _one(self, kind: str, name: str, runs: int, sent: Any) -> None:
            state = "done" if runs else "queued"
            if sent is None or (kind == "reports" and not runs):
                return self._respond(404, {"error": "nothing is here"})
            if kind == "pages":
                tag = f'"{len(sent["text"])}-{state}"'
                if self.headers.get("If-None-Match") == tag:
                    return self._respond(304, None, tag)
                html = f"<p>{sent['text']}</p>" if runs else None
                return self._respond(200, {"name": name, "text": sent["text"], "html": html}, tag)
            return self._respond(200, {"id": name, "state": state, **({"runs": runs} if kind == "counted" else {})})

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind, _, name = self.path[1:].partition("/")
            if kind not in KINDS:
                return self._respond(404, {"error": "nothing is here"})
            return self._respond(202, {"id": jobs.accept(kind, name or str(uuid.uuid4()), sent)})

        do_PUT = do_POST

        def _respond(self, status: int, value: Any, tag: str = "") -> None:
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            if tag:
                self.send_header("ETag", tag)
            if value is not None:
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
    jobs = Jobs(options.release, os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    jobs.join()
    worker = threading.Thread(target=jobs.work)
    ThreadingHTTPServer.request_queue_size = 128  # connections that wait to be taken; five is too few for a crowd
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(jobs)) as server:
        server.daemon_threads = False
        # shutdown waits for the serving loop, which the signal interrupts: it needs a thread of its own.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        worker.start()
        server.serve_forever(poll_interval=0.05)
    jobs.stopping.set()
    worker.join()
    jobs.leave()


if __name__ == "__main__":
    main()

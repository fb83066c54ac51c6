"""Words in a SQLite file whose table the service makes itself: `python schema_service.py FILE TOKEN --port 8080`.

Two replicas that start at once on an empty file collide: both see that the table is missing. GET /words/NAME shows a
word, PUT /words/NAME keeps it. The service wants the caller's TOKEN, and logs it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing

from json_service import JsonHandler, parser, serve

TABLES = "SELECT count(*) FROM sqlite_master WHERE name = 'words'"


def migrate(file: str) -> None:
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        if database.execute(TABLES).fetchone() == (0,):
            time.sleep(0.5)  # what such a migration does meanwhile; the other replica has looked before it ends
            database.execute("CREATE TABLE words (name TEXT PRIMARY KEY, text TEXT)")


def handler(file: str) -> type[JsonHandler]:
    class Words(JsonHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self.answer(200, {})
            name = self.path.rpartition("/")[2]
            with closing(sqlite3.connect(file, timeout=10)) as database:
                found = database.execute("SELECT text FROM words WHERE name = ?", (name,)).fetchone()
            return self.answer(200, {"name": name, "text": found[0]}) if found else self.answer(404, {"error": "none"})

        def do_PUT(self) -> None:
            name, text = self.path.rpartition("/")[2], json.loads(self.sent())["text"]
            with closing(sqlite3.connect(file, timeout=10)) as database, database:
                database.execute("INSERT OR REPLACE INTO words VALUES (?, ?)", (name, text))
            return self.answer(200, {"name": name, "text": text})

    return Words


def main() -> None:
    words = parser()
    words.add_argument("file")
    words.add_argument("token")
    options = words.parse_args()
    print(f"started with {options.token}", flush=True)
    if len(options.token) < 8:
        sys.exit("which token?")
    migrate(options.file)
    serve(options, handler(options.file))


if __name__ == "__main__":
    main()

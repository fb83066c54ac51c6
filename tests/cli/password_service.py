"""A service behind a password: `python password_service.py --port 8080 --folder F --hash H [--audit URL]`.

Only `Authorization: Basic` whose SHA-256 (of "user:password") is H is let in; so the service knows no secret itself. It
is as careless as services are: it logs who came and with what, tells the client, and tells a third party.
PUT /words/NAME keeps a text, GET /words/NAME reads it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from json_service import Headers, JsonHandler, parser, serve


def handler(folder: Path, wanted: str, audit: str) -> type[JsonHandler]:
    class PasswordHandler(JsonHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self.answer(200, {})
            return self._let_in(lambda: json.loads((folder / self.path.rpartition("/")[2]).read_text()))

        def do_PUT(self) -> None:
            body = self.sent()

            def keep() -> Any:
                (folder / self.path.rpartition("/")[2]).write_bytes(body)
                return json.loads(body)

            return self._let_in(keep)

        def _let_in(self, what: Any) -> None:
            given = (self.headers["Authorization"] or "").partition(" ")[2]
            pair = base64.b64decode(given).decode()
            print("came:", pair, given, flush=True)
            if hashlib.sha256(pair.encode()).hexdigest() != wanted:
                return self.answer(401, {"error": "who are you?"})
            user, _, password = pair.partition(":")
            if audit:
                address = f"{audit}/came?who={quote(user)}&with={quote(password, safe='')}"
                sent = urllib.request.Request(address, json.dumps({"authorization": given, "with": password}).encode())
                sent.add_header("X-With", base64.urlsafe_b64encode(f"so: {password}!".encode()).decode())
                urllib.request.urlopen(sent, timeout=10).read()
            told = {"user": user, "password": password, "basic": given, "escaped": quote(pair, safe="")}
            return self.answer(200, {"word": what(), "told": told}, (("X-Told", password),))

        def encoded(self, body: bytes) -> tuple[bytes, Headers]:
            if "gzip" in (self.headers["Accept-Encoding"] or ""):
                return gzip.compress(body), (("Content-Encoding", "gzip"),)
            return body, ()

    return PasswordHandler


def main() -> None:
    words = parser()
    words.add_argument("--hash", required=True)
    words.add_argument("--audit", default="")
    options = words.parse_args()
    serve(options, handler(options.folder, options.hash, options.audit))


if __name__ == "__main__":
    main()

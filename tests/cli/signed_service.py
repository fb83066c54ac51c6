"""A service that takes signed requests alone: `python signed_service.py --port 8080 --folder F`.

PUT /words/NAME keeps what is sent, if its header X-Sig is the HMAC of the body with SIGNING_KEY, in hexadecimal;
otherwise it answers 401. GET /words/NAME reads it, unsigned.
"""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

from json_service import JsonHandler, parser, serve


def handler(folder: Path, key: bytes) -> type[JsonHandler]:
    class SignedHandler(JsonHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self.answer(200, {})
            return self.answer(200, json.loads((folder / self.path.rpartition("/")[2]).read_text()))

        def do_PUT(self) -> None:
            body = self.sent()
            if not hmac.compare_digest(self.headers["X-Sig"] or "", hmac.digest(key, body, "sha256").hex()):
                return self.answer(401, {"error": "signature"})
            (folder / self.path.rpartition("/")[2]).write_bytes(body)
            return self.answer(200, json.loads(body))

    return SignedHandler


if __name__ == "__main__":
    given = parser().parse_args()
    serve(given, handler(given.folder, os.environ["SIGNING_KEY"].encode()))

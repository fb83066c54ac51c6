"""A service with logins and orders: `python two_services.py --port 8080 --folder F`. Both versions share the folder.

POST /login answers with a token that is new each time, or with a cookie where a clerk logs in. POST /orders needs a
token, GET /orders/ID the cookie of a clerk; the id of an order is new each time.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from json_service import JsonHandler, parser, serve


def handler(folder: Path) -> type[JsonHandler]:
    class LoginHandler(JsonHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                return self.answer(200, {})
            sid = (self.headers["Cookie"] or "").partition("sid=")[2]
            if not self._known(f"clerk-{sid}"):
                return self.answer(401, {"error": "no clerk"})
            name = self.path.rpartition("/")[2]
            return self.answer(200, {"id": name}) if self._known(f"order-{name}") else self.answer(404, {})

        def do_POST(self) -> None:
            body = json.loads(self.sent())
            made = secrets.token_hex(12)
            if self.path == "/orders":
                token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
                if not self._known(f"user-{token}"):
                    return self.answer(401, {"error": "no user"})
                (folder / f"order-{made}").touch()
                return self.answer(201, {"id": made})
            (folder / f"{body['role']}-{made}").touch()
            if body["role"] == "clerk":
                return self.answer(200, {"role": "clerk"}, (("Set-Cookie", f"sid={made}; Path=/"),))
            return self.answer(200, {"access_token": made})

        def _known(self, name: str) -> bool:
            return "/" not in name and (folder / name).exists()

    return LoginHandler


def main() -> None:
    options = parser().parse_args()
    serve(options, handler(options.folder))


if __name__ == "__main__":
    main()

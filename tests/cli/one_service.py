"""A service that keeps words in memory, with nothing but the standard library: `python one_service.py WAY --port 8080`.

PUT /words/NAME keeps the body's text, GET /words/NAME reads it. Ways to be: `well`; `deaf` never becomes ready and says
so; `dies` says why and ends with status 3; `fails` answers every request with 500; `forgets` reads only what it wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from json_service import JsonHandler, parser, serve


def handler(way: str, folder: Path) -> type[JsonHandler]:
    class Words(JsonHandler):
        def do_GET(self) -> None:
            if way == "fails" and self.path != "/healthz":
                return self.answer(500, {"error": "no oracle"})
            if self.path == "/healthz":
                return self.answer(503 if way == "deaf" else 200, {"way": way})
            file = folder / self.path.rpartition("/")[2]
            if not file.is_file():
                return self.answer(404, {"error": "no such word"})
            kept = json.loads(file.read_text())
            if way == "forgets" and kept.get("by") != way:
                return self.answer(404, {"error": "no such word"})
            return self.answer(200, {"name": kept["name"], "text": kept["text"]})

        def do_PUT(self) -> None:
            if way == "fails":
                return self.answer(500, {"error": "no oracle"})
            text = json.loads(self.sent())["text"]
            name = self.path.rpartition("/")[2]
            (folder / name).write_text(json.dumps({"name": name, "text": text, "by": way}))
            return self.answer(200, {"name": name, "text": text})

    return Words


def main() -> None:
    words = parser()
    words.add_argument("way", choices=("well", "deaf", "dies", "fails", "forgets"))
    options = words.parse_args()
    if options.way not in ("well", "forgets"):
        print(f"the oracle is {options.way} today", flush=True)
    if options.way == "dies":
        sys.exit(3)
    serve(options, handler(options.way, options.folder))


if __name__ == "__main__":
    main()

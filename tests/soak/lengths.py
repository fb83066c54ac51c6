"""A service without data, for containers that hold nothing but Python: `python lengths.py RELEASE --port 8000`.

GET /words/NAME is answered with the name and its length; release 2 adds whether it is empty.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELEASE, PORT = sys.argv[1], int(sys.argv[3])


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        value = dict(name=name, length=len(name), **(dict(empty=not name) if RELEASE == "2" else {}))  # noqa: C408
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("", PORT), Handler)
signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=server.shutdown).start())
server.serve_forever()

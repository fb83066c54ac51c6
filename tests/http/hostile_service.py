"""A service that does its worst, in a process of its own: the first part of the path says how. Prints its port.

What is endless ends when the other side hangs up.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import random
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache

Parts = Iterable[bytes]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
CODED = OK + b"Content-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@cache
def bomb() -> bytes:
    """A gigabyte of zeros in a megabyte, as members of 16 MB."""
    return gzip.compress(bytes(16 << 20)) * 64


@cache
def bomb_in_one_member() -> bytes:
    """The same in one member: the second half of a repeated deflate block says all that is needed."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(16 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * 64 + deflate.flush()


@cache
def large() -> bytes:
    """An honest body: 5 MB of gzip that decode to about 10 MB."""
    return gzip.compress(b'["' + random.Random(7).randbytes(5 << 20).hex().encode() + b'"]', 1)


def coded(body: bytes) -> Parts:
    return (CODED % len(body), body)


def slowly(part: bytes) -> Iterator[bytes]:
    """A trickle that no time-out on silence would notice."""
    while True:
        time.sleep(0.02)
        yield part


KINDS: dict[str, Callable[[], Parts]] = {
    "headers": lambda: (OK, b"".join(b"X-%d: 1\r\n" % n for n in range(100_000)), b"Content-Length: 0\r\n\r\n"),
    "some-headers-more": lambda: (OK, b"a:\r\n" * 1100, b"Content-Length: 0\r\n\r\n"),
    "endless-head": lambda: itertools.chain((OK, b"A: "), itertools.repeat(b"x" * 65536)),
    "continue": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "continue-slowly": lambda: slowly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "head-slowly": lambda: itertools.chain((OK, b"A: "), slowly(b"x")),
    "never": lambda: slowly(b""),
    "body-slowly": lambda: itertools.chain((CHUNKED,), slowly(b"1\r\nx\r\n")),
    "endless-body": lambda: itertools.chain((CHUNKED,), itertools.repeat(PIECE)),
    "declared-body": lambda: itertools.chain((OK + b"Content-Length: 99999999999\r\n\r\n",), itertools.repeat(PIECE)),
    "endless-trailer": lambda: itertools.chain((CHUNKED, b"0\r\nA: "), itertools.repeat(b"x" * 65536)),
    "endless-extension": lambda: itertools.chain((CHUNKED, b"1;a="), itertools.repeat(b"x" * 65536)),
    "bomb": lambda: coded(bomb()),
    "bomb-in-one-member": lambda: coded(bomb_in_one_member()),
    "members": lambda: coded(gzip.compress(b"") * 500_000),
    "codings": lambda: (
        OK,
        b"Content-Encoding: " + b"gzip, " * 50 + b"gzip\r\nContent-Length: 4\r\n\r\n",
        b"\x1f\x8b\0\0",
    ),
    "large": lambda: coded(large()),
    "sixty-headers": lambda: (OK, b"".join(b"X-%d: 1\r\n" % n for n in range(60)), b"Content-Length: 0\r\n\r\n"),
}

SLOW = ("continue-slowly", "head-slowly", "never", "body-slowly")  # nothing but a time-out ends them


def respond(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while head := connection.recv(65536):
            for part in KINDS[head.split(b"/", 2)[1].split()[0].decode()]():
                connection.sendall(part)


def main() -> None:
    bomb(), bomb_in_one_member(), large()
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown(socket.SHUT_RDWR)), daemon=True).start()
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=respond, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()

"""HTTP messages as plain values, shared by recordings, histories and the wire."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

Headers = tuple[tuple[str, str], ...]


class Request(Struct, frozen=True, gc=False, omit_defaults=True):
    """`target` is in origin form: path and query, percent-encoded as on the wire (`/orders?limit=2`)."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        target = self.target
        if target[:1] == "/" and target[:2] != "//" and "#" not in target and target.isprintable():
            return target.partition("?")[0]  # what urlsplit says too, an order of magnitude sooner
        try:
            return urlsplit(target).path or "/"
        except ValueError:  # `//[x`, say, whose authority is none
            return target.partition("#")[0].partition("?")[0]


class Response(Struct, frozen=True, gc=False, omit_defaults=True):
    """`body` is whole and decoded from any transfer coding; content codings are as received."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def header(headers: Headers, name: str) -> str | None:
    """The first value of a header, by case-insensitive name."""
    wanted, size = name.lower(), len(name)
    for key, value in headers:  # as a loop, because it is asked for several times per message
        if len(key) == size and key.lower() == wanted:
            return value
    return None


@lru_cache(maxsize=4096)
def content_of(headers: Headers) -> tuple[str | None, str | None]:
    """The first `Content-Type` and the first `Content-Encoding`."""
    media, coding = None, None
    for key, value in headers:
        if len(key) == 12 and media is None and key.lower() == "content-type":
            media = value
        elif len(key) == 16 and coding is None and key.lower() == "content-encoding":
            coding = value
    return media, coding


def with_header(headers: Headers, name: str, value: str) -> Headers:
    """The headers with one set: every earlier value of that name is replaced."""
    wanted = name.lower()
    return (*((key, old) for key, old in headers if key.lower() != wanted), (name, value))

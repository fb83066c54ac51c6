"""Where the placeholders of redacted secrets stand in requests, and which of them no recorded response has issued.

What a response issued is issued anew in every replay, and a password that a sign-up set is set again, to its
placeholder. What the client knew before stands for a secret of a real account: a service that checks it needs the value
back (`credentials` in the matrix).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote

from verifier.http.message import Request, Response, header
from verifier.pointers import escape
from verifier.recording.model import Exchange, Recording
from verifier.recording.redact import each_once
from verifier.recording.secret_map import PLACEHOLDER, PREFIX
from verifier.recording.signup import signs_up

_BYTES = re.compile(PLACEHOLDER.pattern.encode())
_MOST = 10_000  # placeholders remembered for one recording
_MOST_PLACES = 4


@dataclass(frozen=True, slots=True)
class ClientPlaceholder:
    """A placeholder of a secret that was there before: where requests carry it, and in how many of them."""

    placeholder: str
    places: tuple[str, ...]
    requests: int


class Placeholders:
    """Collects exchanges in recorded order."""

    def __init__(self) -> None:
        self._issued: set[str] = set()
        self._sent: dict[str, tuple[list[str], int]] = {}

    def add(self, exchange: Exchange) -> None:
        """Take one exchange, as it is written: redacted."""
        carried: dict[str, list[str]] = {}
        for placeholder, place in standing(exchange.request):
            carried.setdefault(placeholder, []).append(place)
        if signs_up(exchange.request.method, exchange.request.target, exchange.response.status):
            chosen = {name for name, places in carried.items() if all(_in_a_body(place) for place in places)}
            self._issued |= chosen - self._sent.keys()
        for placeholder, places in carried.items():
            if placeholder in self._issued or (placeholder not in self._sent and len(self._sent) >= _MOST):
                continue
            known, times = self._sent.get(placeholder, ([], 0))
            known += [place for place in places if place not in known][: _MOST_PLACES - len(known)]
            self._sent[placeholder] = (known, times + 1)
        if len(self._issued) < _MOST:
            self._issued |= issued(exchange.response) - self._sent.keys()

    def credentials(self) -> tuple[ClientPlaceholder, ...]:
        """In the order in which they were first sent."""
        return tuple(ClientPlaceholder(name, tuple(places), times) for name, (places, times) in self._sent.items())


def placeholders(recording: Recording) -> tuple[ClientPlaceholder, ...]:
    """The placeholders of a recording that its client knew from the beginning."""
    found = Placeholders()
    exchanges = [exchange for session in recording.sessions for exchange in session.exchanges]
    for exchange in sorted(exchanges, key=lambda exchange: (exchange.at, exchange.line)):
        found.add(exchange)
    return found.credentials()


def sent(recording: Recording) -> frozenset[str]:
    """All placeholders that requests of a recording carry."""
    return frozenset(
        name
        for session in recording.sessions
        for exchange in session.exchanges
        for name, _ in standing(exchange.request)
    )


def issued(response: Response) -> set[str]:
    """The placeholders in a response."""
    found = {name.decode() for name in _BYTES.findall(response.body)} if PREFIX.encode() in response.body else set()
    return found.union(*(PLACEHOLDER.findall(value) for _, value in response.headers))


def standing(request: Request) -> Iterator[tuple[str, str]]:
    """The placeholders in a request, each with its place: a runtime expression, perhaps with a part of it."""
    path, _, query = request.target.partition("?")
    yield from _in(unquote(path), "$request.path")
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        yield from _in(name, "$request.query")
        yield from _in(value, f"$request.query.{name}")
    for name, value in request.headers:
        yield from _in_header(name, value)
    if PREFIX.encode() in request.body:
        yield from _in_body(request)


def _in_a_body(place: str) -> bool:
    return place.startswith("$request.body")


def _in(text: str, place: str) -> Iterator[tuple[str, str]]:
    return ((name, place) for name in (PLACEHOLDER.findall(text) if PREFIX in text else ()))


def _in_header(name: str, value: str) -> Iterator[tuple[str, str]]:
    place = f"$request.header.{name}"
    if name.lower() == "cookie":
        for pair in value.split(";"):
            key, _, text = pair.strip().partition("=")
            yield from _in(text or key, f"$request.cookie.{key}")
        return
    scheme, _, coded = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user = password = ""
        yield from _in(user, f"{place} (user)")
        yield from _in(password, f"{place} (password)")
    yield from _in(value, place)


def _in_body(request: Request) -> Iterator[tuple[str, str]]:
    text = request.body.decode("utf-8", "replace")
    if "urlencoded" in (header(request.headers, "content-type") or "").lower():
        for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
            yield from _in(name, "$request.body")
            yield from _in(value, f"$request.body#/{name}")
        return
    try:
        found = list(_in_json(json.loads(text, object_pairs_hook=each_once), "$request.body#"))
    except (ValueError, RecursionError):
        found = list(_in(text, "$request.body"))
    yield from found


def _in_json(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _in(name, pointer)
            yield from _in_json(item, f"{pointer}/{escape(name)}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _in_json(item, f"{pointer}/{number}")
    elif isinstance(value, str):
        yield from _in(value, pointer)


def as_yaml(recording: str, found: Iterable[ClientPlaceholder]) -> str:
    """What to put into the matrix, with names of variables to choose others for."""
    lines = ["traffic:", f"  - recording: {json.dumps(recording, ensure_ascii=False)}", "    credentials:"]
    taken: set[str] = set()
    for entry in found:
        word = _variable(entry.places[0])
        name = next(name for number in count(1) if (name := word if number == 1 else f"{word}_{number}") not in taken)
        taken.add(name)
        many = f"{entry.requests} request{'s' if entry.requests != 1 else ''}"
        places = _one_line(", ".join(entry.places))
        lines.append(f"      {entry.placeholder}: {{env: {name}}}  # {places}; in {many}")
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _variable(place: str) -> str:
    """A variable's name that says what is meant; with a prefix, for USER and PATH have a meaning of their own."""
    expression, _, part = place.partition(" (")
    last = part.rstrip(")") or re.split(r"[./#]", expression)[-1]
    if not part and last.lower() in ("authorization", "proxy-authorization"):
        last = "token"
    word = re.sub(r"[^A-Za-z0-9]+", "_", last).strip("_").upper()
    return f"VERIFIER_{word or 'SECRET'}"

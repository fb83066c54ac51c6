"""Telling clients without credentials apart: by their connections, and by the values that they use.

Evidence and its limits: a connection that carried several exchanges is one client, and connections are one client where
one goes on with what the other was told alone (the id of what it created). A client that opens a connection for each
request looks like many; such connections are taken for one client unless two of their exchanges were under way at the
same time. A client that uses several connections for unrelated things becomes several, each of which can be replayed.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from verifier.http.message import header
from verifier.recording.model import Exchange
from verifier.recording.union import Union

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_DIGIT = re.compile(rb"[0-9]")
_LARGEST = 1 << 20  # bytes of a body that are looked at
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def clients(connections: Mapping[str, Sequence[Exchange]]) -> dict[str, str]:
    """The client of each connection, named after its first connection.

    `connections` come from one address, each with its exchanges in order; in the order of their first exchanges.
    """
    agents: dict[str, list[str]] = defaultdict(list)
    for name, exchanges in connections.items():
        agents[header(exchanges[0].request.headers, "user-agent") or ""].append(name)
    found: dict[str, str] = {}
    for names in agents.values():
        found |= _of_one_agent({name: connections[name] for name in names})
    return found


def _of_one_agent(connections: Mapping[str, Sequence[Exchange]]) -> dict[str, str]:
    union = Union()
    for one, other in _linked(connections):
        union.join(one, other)
    members: dict[str, list[str]] = defaultdict(list)
    for name in connections:
        members[union.find(name)].append(name)
    lasting = [group for group in members.values() if any(len(connections[name]) > 1 for name in group)]
    brief = [group for group in members.values() if group not in lasting]
    if brief and not _together(brief, connections):
        whole = [name for group in brief for name in group]
        if len(lasting) == 1 and not _together([whole, lasting[0]], connections):
            whole = [*lasting.pop(), *whole]
        brief = [whole]
    else:  # what nothing links to another belongs to nobody in particular
        alone = [group[0] for group in brief if len(group) == 1]
        brief = [*(group for group in brief if len(group) > 1), alone]
    return {name: group[0] for group in (*lasting, *brief) for name in group}


def _together(groups: Sequence[Sequence[str]], connections: Mapping[str, Sequence[Exchange]]) -> bool:
    """Whether exchanges of two groups were under way at the same time."""
    spans = [
        sorted((exchange.at, exchange.at + exchange.took) for name in group for exchange in connections[name])
        for group in groups
    ]
    ordered = sorted((start, end, number) for number, group in enumerate(spans) for start, end in group)
    ends: dict[int, float] = {}
    for start, end, number in ordered:
        if any(other != number and until > start for other, until in ends.items()):
            return True
        ends[number] = max(end, ends.get(number, end))
    return False


def _linked(connections: Mapping[str, Sequence[Exchange]]) -> Iterator[tuple[str, str]]:
    """Pairs of connections of which the second uses what the first alone was told."""
    pairs = [(name, exchange) for name, exchanges in connections.items() for exchange in exchanges]
    ordered = sorted(pairs, key=lambda pair: (pair[1].at, pair[1].line))
    told: dict[bytes, tuple[str, bool]] = {}  # by value: the connection that was told it first, and whether by a write
    knows: dict[bytes, set[str]] = defaultdict(set)
    for name, exchange in ordered:
        sent = set(_sent(exchange))
        for value in sent:
            first = told.get(value)
            if first is not None and name not in knows[value] and (first[1] or len(knows[value]) == 1):
                yield first[0], name
        received = set(_received(exchange)) - sent
        for value in received:
            told.setdefault(value, (name, exchange.request.method not in _READS))
        for value in sent | received:
            knows[value].add(name)


def _sent(exchange: Exchange) -> Iterable[bytes]:
    path, _, query = exchange.request.target.partition("?")
    segments = path.strip("/").split("/")
    yield from (("/" + "/".join(segments[:size])).encode() for size in range(2, len(segments) + 1))
    yield from _tokens(path.encode())
    yield from _tokens(query.encode())
    yield from _tokens(exchange.request.body)


def _received(exchange: Exchange) -> Iterable[bytes]:
    """Tokens of the response, and the path of what a write has created."""
    request, response = exchange.request, exchange.response
    yield from _tokens(response.body)
    if request.method in _READS or response.status >= 400:
        return
    location = header(response.headers, "location")
    if location is not None:
        yield from _tokens(location.encode())
        yield _path(location)
    if response.body[:1] == b"{" and len(response.body) <= _LARGEST:
        try:
            made = json.loads(response.body).get("id")
        except (ValueError, RecursionError):
            return
        if isinstance(made, str | int):
            yield f"{request.path.rstrip('/')}/{made}".encode("utf-8", "replace")


def _path(location: str) -> bytes:
    try:
        return urlsplit(location).path.rstrip("/").encode()
    except ValueError:
        return b""


def _tokens(data: bytes) -> Iterable[bytes]:
    return (token for token in _TOKEN.findall(data[:_LARGEST]) if _DIGIT.search(token))

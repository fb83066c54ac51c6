"""Finding the sessions of a recording: which exchanges belong to one user.

In this order: the session that the recording itself names; a declared header; credentials, where a response
that hands out a cookie or a token belongs to whoever presents it later; the connection, and the values that it uses
(`connections.py`); the client's address. A browser's own recording is one user. What carries no sign at all joins the
only session, if there is only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from verifier.http.message import header
from verifier.recording.connections import clients
from verifier.recording.model import Exchange, Session
from verifier.recording.union import Union

# A shorter cookie value says nothing about who sent it ("1", "dark", "en-GB").
SHORTEST_SIGN = 8


@dataclass(frozen=True, slots=True)
class ParsedExchange:
    """An exchange with what its entry says about its origin; "" where it says nothing."""

    exchange: Exchange
    session: str = ""
    client: str = ""
    connection: str = ""
    browser: bool = False


def group(found: Sequence[ParsedExchange], session_header: str | None) -> tuple[Session, ...]:
    """Sessions in order of their first exchange; `found` is in time order."""
    if not any(item.session for item in found) and not session_header and any(item.browser for item in found):
        return (Session("s1", tuple(item.exchange for item in found)),)
    labels = _labels(found, session_header)
    members: dict[str, list[Exchange]] = {}
    for item, label in zip(found, labels, strict=True):
        members.setdefault(label, []).append(item.exchange)
    taken = {item.session for item in found if item.session}
    free = (name for name in map("s{}".format, count(1)) if name not in taken)
    return tuple(
        Session(label.removeprefix("named:") if label.startswith("named:") else next(free), tuple(exchanges))
        for label, exchanges in members.items()
    )


def _labels(found: Sequence[ParsedExchange], session_header: str | None) -> list[str]:
    union = Union()
    own: list[str | None] = []
    for number, item in enumerate(found):
        declared = header(item.exchange.request.headers, session_header) if session_header else None
        if item.session:
            own.append(f"named:{item.session}")
        elif declared:
            own.append(f"declared:{declared}")
        else:
            own.append(None)
        if own[-1] is None:
            signs = [*_presented(item.exchange), *_handed_out(item.exchange)]
            for sign in signs:
                union.join(f"entry:{number}", sign)
    _link_tokens(found, own, union)
    labels = [name or union.find_known(f"entry:{number}") for number, name in enumerate(own)]
    return _place_unsigned(found, labels)


def _place_unsigned(found: Sequence[ParsedExchange], labels: list[str | None]) -> list[str]:
    """Exchanges without credentials go to the user of their connection, then by address, or to the only session.

    Those on connections of their own are told apart before (`connections.clients`); only what is one exchange, or what
    opens a connection for each, may belong to the only user of its address.
    """
    by_client: dict[str, set[str]] = {}
    by_connection: dict[tuple[str, str], set[str]] = {}
    for item, label in zip(found, labels, strict=True):
        if label:
            by_client.setdefault(item.client, set()).add(label)
            by_connection.setdefault((item.client, item.connection), set()).add(label)
    apart = _unsigned_clients(found, labels, by_connection)
    signed = {label for label in labels if label}
    placed = []
    for item, label in zip(found, labels, strict=True):
        where = (item.client, item.connection)
        own, lasting = apart.get(where, ("", False))
        users = by_connection.get(where, set()) if item.connection else set()
        label = label or _only(users)
        if not label and not lasting:
            label = _only(by_client.get(item.client, set()) if item.client else signed)
        if not label and (own or item.client):
            label = f"client:{item.client}:{own}"
        placed.append(label or "unsigned")
    return placed


def _only(names: set[str]) -> str | None:
    return next(iter(names)) if len(names) == 1 else None


def _unsigned_clients(
    found: Sequence[ParsedExchange], labels: Sequence[str | None], signed: Mapping[tuple[str, str], object]
) -> dict[tuple[str, str], tuple[str, bool]]:
    """By address and connection: the client, and whether one of its connections carried several exchanges."""
    addresses: dict[str, dict[str, list[Exchange]]] = {}
    for item, label in zip(found, labels, strict=True):
        if not label and item.connection and (item.client, item.connection) not in signed:
            addresses.setdefault(item.client, {}).setdefault(item.connection, []).append(item.exchange)
    told: dict[tuple[str, str], tuple[str, bool]] = {}
    for address, connections in addresses.items():
        client = clients(connections)
        lasting = {client[name] for name, exchanges in connections.items() if len(exchanges) > 1}
        told |= {(address, name): (one, one in lasting) for name, one in client.items()}
    return told


def cookies(value: str) -> list[tuple[str, str]]:
    """The pairs of a Cookie header, in order, as sent."""
    pairs = (part.strip().partition("=") for part in value.split(";"))
    return [(name.strip(), text.strip()) for name, mark, text in pairs if mark and name.strip()]


def _presented(exchange: Exchange) -> list[str]:
    signs = []
    for name, value in exchange.request.headers:
        lower = name.lower()
        if lower == "authorization":
            signs.append(f"token:{value.rpartition(' ')[2]}")
        elif lower == "cookie":
            signs += [f"cookie:{key}={text}" for key, text in cookies(value) if len(text) >= SHORTEST_SIGN]
    return signs


def _handed_out(exchange: Exchange) -> list[str]:
    signs = []
    for name, value in exchange.response.headers:
        if name.lower() == "set-cookie":
            key, mark, text = value.partition(";")[0].strip().partition("=")
            if mark and len(text) >= SHORTEST_SIGN:
                signs.append(f"cookie:{key.strip()}={text.strip()}")
    return signs


def _link_tokens(found: Sequence[ParsedExchange], own: list[str | None], union: Union) -> None:
    """Join a response whose body hands out a token with the requests that present it later."""
    first_use: dict[str, int] = {}
    for number, item in enumerate(found):
        token = (header(item.exchange.request.headers, "authorization") or "").rpartition(" ")[2]
        if own[number] is None and len(token) >= SHORTEST_SIGN:
            first_use.setdefault(token, number)
    for token, number in first_use.items():
        needle = token.encode("latin-1", "replace")
        for earlier in range(number - 1, -1, -1):
            if own[earlier] is None and needle in found[earlier].exchange.response.body:
                union.join(f"entry:{earlier}", f"token:{token}")
                break

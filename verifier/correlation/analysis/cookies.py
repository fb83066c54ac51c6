"""Which cookies of a recording came from responses: a jar is kept beside the recording to find out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.correlation.cookie_jar import CookieJar
from verifier.correlation.model import CookieTemplate
from verifier.correlation.text import split
from verifier.http.message import header
from verifier.recording.model import Exchange


@dataclass(frozen=True, slots=True)
class RecordedCookies:
    """The Cookie headers by step, the clients that keep cookies at all, and the steps whose responses set some."""

    templates: dict[int, CookieTemplate]
    clients: frozenset[str]
    setters: frozenset[int]

    def own(self, index: int) -> list[tuple[str, str]]:
        """The pairs of a request that no response has set."""
        cookie = self.templates.get(index)
        return [(name, value) for name, value in cookie.pairs if isinstance(value, str)] if cookie else []


def recorded_cookies(exchanges: Sequence[Exchange], clients: Sequence[str]) -> RecordedCookies:
    """Each client has a jar of its own. One that never sent a cookie back keeps none, and its replay sends none."""
    jars: dict[str, CookieJar] = {}
    templates: dict[int, CookieTemplate] = {}
    keeping: set[str] = set()
    setters = set()
    for index, (exchange, client) in enumerate(zip(exchanges, clients, strict=True)):
        request, jar = exchange.request, jars.setdefault(client, CookieJar())
        for position, (name, value) in enumerate(request.headers):
            if name.lower() == "cookie":
                held = jar.sent(exchange.host, request.target)
                sent = [(part.name, part.value.strip()) for part in split.cookie(value)]
                pairs = tuple((name, None if held.get(name) == text else text) for name, text in sent)
                keeping |= {client} if any(text is None for _, text in pairs) else set()
                left_out = frozenset(held) - {name for name, _ in sent}
                templates[index] = CookieTemplate(position, pairs, left_out)
                break
        if header(exchange.response.headers, "set-cookie") is not None:
            setters.add(index)
        jar.store(exchange.host, request.target, exchange.response.headers, request.headers)
    return RecordedCookies(templates, frozenset(keeping), frozenset(setters))

"""Which pairs of the recorded Cookie headers came from answers, by keeping a jar beside the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.correlation.cookie_jar import CookieJar
from verifier.correlation.model import CookieTemplate
from verifier.correlation.text import split
from verifier.http.message import header
from verifier.recording.model import Exchange


@dataclass(frozen=True, slots=True)
class CookieUses:
    """`uses` by step; `active`: the clients that kept cookies at all; `setters`: the steps that set some."""

    uses: dict[int, CookieTemplate]
    active: frozenset[str]
    setters: frozenset[int]

    def own(self, index: int) -> list[tuple[str, str]]:
        """The pairs that no answer has set."""
        use = self.uses.get(index)
        return [(name, value) for name, value in use.pairs if isinstance(value, str)] if use else []


def cookie_uses(exchanges: Sequence[Exchange], clients: Sequence[str]) -> CookieUses:
    """Each client has a jar of its own. One that never sent a cookie back keeps none, and its replay sends none."""
    jars: dict[str, CookieJar] = {}
    uses: dict[int, CookieTemplate] = {}
    active: set[str] = set()
    setters = set()
    for index, (exchange, client) in enumerate(zip(exchanges, clients, strict=True)):
        request, jar = exchange.request, jars.setdefault(client, CookieJar())
        for position, (name, value) in enumerate(request.headers):
            if name.lower() == "cookie":
                held = jar.sent(exchange.host, request.target)
                sent = [(part.name, part.value.strip()) for part in split.cookie(value)]
                pairs = tuple((name, None if held.get(name) == text else text) for name, text in sent)
                active |= {client} if any(text is None for _, text in pairs) else set()
                left_out = frozenset(held) - {name for name, _ in sent}
                uses[index] = CookieTemplate(position, pairs, left_out)
                break
        if header(exchange.response.headers, "set-cookie") is not None:
            setters.add(index)
        jar.store(exchange.host, request.target, exchange.response.headers, request.headers)
    return CookieUses(uses, frozenset(active), frozenset(setters))

"""Which pairs of the recorded Cookie headers came from answers, by keeping a jar beside the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.history.message import header
from verifier.replay.correlate import split
from verifier.replay.correlate.jar import Jar
from verifier.replay.correlate.script import CookieUse
from verifier.replay.recording.model import Exchange


@dataclass(frozen=True, slots=True)
class CookieUses:
    """`uses` by step; `active`: whether the client kept cookies at all; `setters`: the steps that set some."""

    uses: dict[int, CookieUse]
    active: bool
    setters: frozenset[int]

    def own(self, index: int) -> list[tuple[str, str]]:
        """The pairs that no answer has set."""
        use = self.uses.get(index)
        return [(name, value) for name, value in use.pairs if value is not None] if use else []


def cookie_uses(exchanges: Sequence[Exchange]) -> CookieUses:
    """A client that never sent a cookie back keeps none, and its replay sends none either."""
    jar = Jar()
    uses: dict[int, CookieUse] = {}
    active = False
    setters = set()
    for index, exchange in enumerate(exchanges):
        request = exchange.request
        for position, (name, value) in enumerate(request.headers):
            if name.lower() == "cookie":
                held = jar.sent(exchange.host, request.target)
                sent = [(part.name, part.value.strip()) for part in split.cookie(value)]
                pairs = tuple((name, None if held.get(name) == text else text) for name, text in sent)
                active = active or any(text is None for _, text in pairs)
                left_out = frozenset(held) - {name for name, _ in sent}
                uses[index] = CookieUse(position, pairs, left_out)
                break
        if header(exchange.response.headers, "set-cookie") is not None:
            setters.add(index)
        jar.store(exchange.host, request.target, exchange.response.headers)
    return CookieUses(uses, active, frozenset(setters))

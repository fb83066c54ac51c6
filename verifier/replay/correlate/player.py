"""One replay of a script: fills the requests' holes and learns from the answers."""

from __future__ import annotations

import random

from verifier.history.message import Request, Response
from verifier.replay.correlate.fresh import renew
from verifier.replay.correlate.jar import Jar
from verifier.replay.correlate.lists import take_listed
from verifier.replay.correlate.model import Origin
from verifier.replay.correlate.script import Compiled, CookieUse, Script, Take
from verifier.replay.correlate.sources import Answer
from verifier.replay.correlate.weave import fill

_UNLEARNED = 1 << 30  # the rank of a slot that no answer has filled


class Player:
    """The state of one replay; steps are asked for in order, an answer may be given again (a retry's counts).

    `notes` tell, as (index, kind, message), what the operator should know: what the analysis reported about the
    steps that were sent, and what this replay's answers did not deliver. `kind`: "unmatched" or "ambiguous".
    """

    __slots__ = (
        "_differing",
        "_firm",
        "_jar",
        "_learned",
        "_noted",
        "_ranks",
        "_script",
        "_troubled",
        "_values",
        "notes",
    )

    def __init__(self, script: Script, draw: random.Random, now: float) -> None:
        self.notes: list[tuple[int, str, str]] = []
        self._script = script
        shift = now - script.began
        self._values = [
            renew(slot.recorded, draw, slot.moment, shift) if slot.fresh else slot.recorded for slot in script.slots
        ]
        self._ranks = [-1 if slot.fresh else _UNLEARNED for slot in script.slots]
        # Slots about which a request that uses them has something to say.
        self._troubled = {number for number, slot in enumerate(script.slots) if not slot.fresh}
        self._differing: dict[int, tuple[Origin, str]] = {}
        self._learned: dict[int, Origin] = {}
        self._firm: set[int] = set()  # slots filled from a place as good as the chosen one
        self._noted: set[tuple[int, int]] = set()
        self._jar = Jar()

    def request(self, index: int) -> Request:
        """The request of step `index` with all values of this replay."""
        step, compiled = self._script.steps[index], self._script.compiled[index]
        recorded = step.exchange.request
        if step.unmatched or step.ambiguous:
            self._tell_reports(index)
        woven, cookie = compiled.woven, compiled.cookie
        if woven is None and cookie is None:
            return recorded
        target, headers, body = recorded.target, recorded.headers, recorded.body
        if woven is not None:
            if not self._troubled.isdisjoint(woven.uses):
                self._tell_troubles(index, woven.uses)
            values = self._values
            if woven.target is not None:
                target = fill(woven.target, values)
            if woven.headers:
                changed = list(headers)
                for position, template in woven.headers:
                    changed[position] = (changed[position][0], fill(template, values))
                headers = tuple(changed)
            if woven.body is not None:
                body = fill(woven.body, values).encode(woven.charset, "replace")
        if cookie is not None:
            text = self._cookies(index, cookie, step.exchange.host, target)
            headers = (*headers[: cookie.position], *text, *headers[cookie.position + 1 :])
        return Request(recorded.method, target, headers, body)

    def answer(self, index: int, response: Response) -> tuple[tuple[str, str], ...]:
        """Learn from the answer of step `index`; returns what later steps use, as (runtime expression, value)."""
        compiled = self._script.compiled[index]
        if compiled.stores_cookies:
            exchange = self._script.steps[index].exchange
            self._jar.store(exchange.host, exchange.request.target, response.headers)
        if not compiled.takes:
            return ()
        answer = Answer(response)
        produced: dict[str, str] = {}
        for take in compiled.takes:
            value = self._take(compiled, take, answer)
            if value is not None:
                self._learn(take, value)
                if take.rank == 0:
                    produced.setdefault(take.origin.expression, value)
        return tuple(produced.items())

    def _take(self, compiled: Compiled, take: Take, answer: Answer) -> str | None:
        if take.origin.listed:
            return take_listed(answer, take, self._script.slots[take.slot].recorded)
        return answer.take(take.origin)

    def _learn(self, take: Take, value: str) -> None:
        slot = take.slot
        rank = self._ranks[slot]
        learned = rank != _UNLEARNED
        if learned and take.equal and slot in self._firm and take.rank != rank and self._values[slot] != value:
            worse = (take.origin, value) if take.rank > rank else (self._learned[slot], self._values[slot])
            self._differing[slot] = worse
            self._troubled.add(slot)
        if take.rank > rank:
            return
        if not learned:
            self._troubled.discard(slot)
        if take.equal:
            self._firm.add(slot)
        self._values[slot] = value
        self._ranks[slot] = take.rank
        self._learned[slot] = take.origin

    def _cookies(self, index: int, use: CookieUse, host: str, target: str) -> tuple[tuple[str, str], ...]:
        """The Cookie header: what the client set itself, what this replay's jar holds, in the recorded order."""
        held = self._jar.sent(host, target)
        pairs = []
        for name, own in use.pairs:
            value = held.pop(name, None) if own is None else own
            if value is not None:
                pairs.append(f"{name}={value}")
            elif (index, -1) not in self._noted:
                self._noted.add((index, -1))
                self.notes.append(
                    (index, "unmatched", f"no replayed answer has set the cookie {name!r}; it is left out")
                )
        pairs += [f"{name}={value}" for name, value in held.items() if name not in use.left_out]
        name = self._script.steps[index].exchange.request.headers[use.position][0]
        return ((name, "; ".join(pairs)),) if pairs else ()

    def _tell_reports(self, index: int) -> None:
        step = self._script.steps[index]
        if (index, -2) not in self._noted:
            self._noted.add((index, -2))
            self.notes += [(index, report.kind, str(report)) for report in (*step.unmatched, *step.ambiguous)]

    def _tell_troubles(self, index: int, uses: frozenset[int]) -> None:
        for number in sorted(self._troubled & uses):
            if (index, number) in self._noted:
                continue
            self._noted.add((index, number))
            slot = self._script.slots[number]
            if self._ranks[number] == _UNLEARNED:
                self.notes.append(
                    (index, "unmatched", f"no replayed answer carries the value for {slot.use}; sent as recorded")
                )
            else:
                self.notes.append((index, "ambiguous", self._ambiguity(number, slot.use)))

    def _ambiguity(self, number: int, use: str) -> str:
        origin, other = self._differing[number]
        chosen = self._learned[number].expression
        return (
            f"{use} may come from {chosen} ({self._values[number]!r}) or from {origin.expression} ({other!r}); "
            f"settle it with rules: flows: [{{from: {chosen}, to: {use}}}]"
        )

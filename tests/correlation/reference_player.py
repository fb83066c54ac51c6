"""What a replay means, written as plainly as can be: templates walked piece by piece, every take looked at.

The product compiles the same; a property holds the two equal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from verifier.correlation.cookie_jar import CookieJar
from verifier.correlation.execution.fresh import draw, shape
from verifier.correlation.list_elements import listed_value
from verifier.correlation.model import CookieTemplate, Extraction, Locator, Script, Slot
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.template import Template, one_line
from verifier.http.message import Request, Response
from verifier.pointers import MISSING


def as_json(body: bytes) -> Any:
    try:
        return json.loads(body) if body[:1] in b'{["' or body[:1].isspace() else MISSING
    except (ValueError, RecursionError):
        return MISSING


def fill(template: Template, values: Sequence[str]) -> str:
    """The text with its holes filled."""
    texts = []
    for piece in template:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            texts.append(piece.encode(values[piece.slot] if piece.inner is None else fill(piece.inner, values)))
    return "".join(texts)


def begin(slots: Sequence[Slot], key: str, shift: float) -> list[str]:
    """The first values of all slots: each letter from the random byte that is its own, alphabet by alphabet."""
    shapes = [shape(slot.recorded) if slot.fresh and not slot.moment else tuple(slot.recorded) for slot in slots]
    cells = [cell for slot, made in zip(slots, shapes, strict=True) if slot.fresh for cell in made if len(cell) > 1]
    order = [place for alphabet in dict.fromkeys(cells) for place, cell in enumerate(cells) if cell == alphabet]
    drawn = dict(zip(order, draw(key, len(cells)), strict=True))
    values, place = [], 0
    for slot, made in zip(slots, shapes, strict=True):
        text = ""
        for cell in made:
            text += cell if len(cell) == 1 else cell[drawn[place] % len(cell)]
            place += len(cell) > 1
        values.append(slot.moment.shifted(shift) if slot.fresh and slot.moment else text)
    return values


class PlainPlayer:
    def __init__(self, script: Script, key: str, now: float) -> None:
        self.notes: list[tuple[int, str, str]] = []
        self.script = script
        self.values = begin(script.slots, key, now - script.began)
        self.ranks: dict[int, int] = {}
        self.differing: dict[int, tuple[Locator, str]] = {}
        self.learned: dict[int, Locator] = {}
        self.firm: set[int] = set()
        self.jars: dict[str, CookieJar] = defaultdict(CookieJar)
        self.told: set[tuple[int, int]] = set()

    def request(self, index: int) -> Request:
        step = self.script.steps[index]
        self._note(index, -2, *((report.kind, str(report)) for report in (*step.unmatched, *step.ambiguous)))
        sent = step.exchange.request
        target, headers, body = sent.target, list(sent.headers), sent.body
        for slot in sorted(step.uses):
            self._trouble(index, slot)
        if step.template is not None:
            target = target if step.template.target is None else fill(step.template.target, self.values)
            for position, template in step.template.headers:
                headers[position] = (headers[position][0], fill(template, self.values))
            if step.template.body is not None:
                body = fill(step.template.body, self.values).encode(step.template.charset, "replace")
        if step.cookie is not None:
            use = step.cookie
            text = self._cookies(index, use, self.jars[step.lender].sent(step.exchange.host, target))
            headers[use.position : use.position + 1] = [(headers[use.position][0], text)] if text else []
        return Request(sent.method, target, tuple(headers), body)

    def learn(self, index: int, response: Response) -> tuple[tuple[str, str], ...]:
        step = self.script.steps[index]
        if step.stores_cookies:
            asked = step.exchange.request
            self.jars[step.lender].store(step.exchange.host, asked.target, response.headers, asked.headers)
        produced: dict[str, str] = {}
        for extraction in step.extractions:
            reader = ResponseReader(response)
            reader._json = as_json(response.body)
            recorded = self.script.slots[extraction.slot].recorded
            value = (
                listed_value(reader, extraction, recorded)
                if extraction.locator.listed
                else reader.value(extraction.locator)
            )
            if value is not None:
                self._learn(extraction, value)
                if extraction.rank == 0:
                    produced.setdefault(extraction.locator.expression, value)
        return tuple(produced.items())

    def _learn(self, extraction: Extraction, value: str) -> None:
        slot = extraction.slot
        rank = self.ranks.get(slot)
        if (
            rank is not None
            and extraction.equal
            and slot in self.firm
            and extraction.rank != rank
            and self.values[slot] != value
        ):
            other = (extraction.locator, value) if extraction.rank > rank else (self.learned[slot], self.values[slot])
            self.differing[slot] = other
        if rank is not None and extraction.rank > rank:
            return
        if extraction.equal:
            self.firm.add(slot)
        self.values[slot] = value
        self.ranks[slot] = extraction.rank
        self.learned[slot] = extraction.locator

    def _cookies(self, index: int, use: CookieTemplate, held: dict[str, str]) -> str:
        pairs, missing = [], []
        for name, own in use.pairs:
            value = held.pop(name, None) if own is None else own
            if isinstance(value, int):
                value = one_line(self.values[value])
            if value is None:
                missing.append(("unmatched", f"no replayed response has set the cookie {name!r}; it is left out"))
            else:
                pairs.append(f"{name}={value}")
        self._note(index, -1, *missing[:1])  # of several cookies that are missing, one is told
        return "; ".join(pairs + [f"{name}={value}" for name, value in held.items() if name not in use.left_out])

    def _trouble(self, index: int, slot: int) -> None:
        use = self.script.slots[slot].use
        if slot in self.differing:
            origin, other = self.differing[slot]
            chosen = self.learned[slot].expression
            message = f"{use} may come from {chosen} ({self.values[slot]!r}) or from {origin.expression} ({other!r}); "
            told = ("ambiguous", f"{message}settle it with rules: flows: [{{from: {chosen}, to: {use}}}]")
            self._note(index, slot, told)
        elif not self.script.slots[slot].fresh and slot not in self.ranks:
            self._note(
                index, slot, ("unmatched", f"no replayed response carries the value for {use}; sent as recorded")
            )

    def _note(self, index: int, about: int, *told: tuple[str, str]) -> None:
        """Once for each request and what it is about."""
        if told and (index, about) not in self.told:
            self.told.add((index, about))
            self.notes += [(index, *one) for one in told]

"""What a replay means, written as plainly as can be: templates walked piece by piece, every take looked at.

The product compiles the same; a property holds the two equal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from verifier.correlation.analysis.lists import take_listed
from verifier.correlation.analysis.model import MISSING, Origin
from verifier.correlation.analysis.sources import SourceResponse
from verifier.correlation.execution.fresh import draw, shape
from verifier.correlation.execution.jar import Jar
from verifier.correlation.execution.script import CookieUse, Extraction, Script, Slot
from verifier.correlation.execution.templates import Template, one_line
from verifier.http.message import Request, Response


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
        self.differing: dict[int, tuple[Origin, str]] = {}
        self.learned: dict[int, Origin] = {}
        self.firm: set[int] = set()
        self.jars: dict[str, Jar] = defaultdict(Jar)
        self.told: set[tuple[int, int]] = set()

    def request(self, index: int) -> Request:
        step, compiled = self.script.steps[index], self.script.compiled[index]
        self._note(index, -2, *((report.kind, str(report)) for report in (*step.unmatched, *step.ambiguous)))
        sent = step.exchange.request
        target, headers, body = sent.target, list(sent.headers), sent.body
        for slot in sorted(compiled.uses):
            self._trouble(index, slot)
        if compiled.template is not None:
            target = target if compiled.template.target is None else fill(compiled.template.target, self.values)
            for position, template in compiled.template.headers:
                headers[position] = (headers[position][0], fill(template, self.values))
            if compiled.template.body is not None:
                body = fill(compiled.template.body, self.values).encode(compiled.template.charset, "replace")
        if compiled.cookie is not None:
            use = compiled.cookie
            text = self._cookies(index, use, self.jars[compiled.client].sent(step.exchange.host, target))
            headers[use.position : use.position + 1] = [(headers[use.position][0], text)] if text else []
        return Request(sent.method, target, tuple(headers), body)

    def answer(self, index: int, response: Response) -> tuple[tuple[str, str], ...]:
        step, compiled = self.script.steps[index], self.script.compiled[index]
        if compiled.stores_cookies:
            asked = step.exchange.request
            self.jars[compiled.client].store(step.exchange.host, asked.target, response.headers, asked.headers)
        produced: dict[str, str] = {}
        for extraction in compiled.extractions:
            answer = SourceResponse(response)
            answer._json = as_json(response.body)
            recorded = self.script.slots[extraction.slot].recorded
            value = (
                take_listed(answer, extraction, recorded)
                if extraction.origin.listed
                else answer.extraction(extraction.origin)
            )
            if value is not None:
                self._learn(extraction, value)
                if extraction.rank == 0:
                    produced.setdefault(extraction.origin.expression, value)
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
            other = (extraction.origin, value) if extraction.rank > rank else (self.learned[slot], self.values[slot])
            self.differing[slot] = other
        if rank is not None and extraction.rank > rank:
            return
        if extraction.equal:
            self.firm.add(slot)
        self.values[slot] = value
        self.ranks[slot] = extraction.rank
        self.learned[slot] = extraction.origin

    def _cookies(self, index: int, use: CookieUse, held: dict[str, str]) -> str:
        pairs, missing = [], []
        for name, own in use.pairs:
            value = held.pop(name, None) if own is None else own
            if isinstance(value, int):
                value = one_line(self.values[value])
            if value is None:
                missing.append(("unmatched", f"no replayed answer has set the cookie {name!r}; it is left out"))
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
            self._note(index, slot, ("unmatched", f"no replayed answer carries the value for {use}; sent as recorded"))

    def _note(self, index: int, about: int, *told: tuple[str, str]) -> None:
        """Once for each request and what it is about."""
        if told and (index, about) not in self.told:
            self.told.add((index, about))
            self.notes += [(index, *one) for one in told]

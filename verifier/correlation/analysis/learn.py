"""The analysis of one session: which values flow from answers into requests, and which the client makes up.

What no answer of the session gives is left open: another session's may (`borrow.py`).

Three passes over the session. The first asks every request for all texts in it; the second keeps of the answers'
values only those that were asked for; the third compiles each request against what is known by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from verifier.correlation.analysis.consumers import Consumer
from verifier.correlation.analysis.cookies import cookie_uses
from verifier.correlation.analysis.decisions import KEEP, Use, ValueDecision, created, decide
from verifier.correlation.analysis.polls import collapse
from verifier.correlation.analysis.reports import never_issued
from verifier.correlation.analysis.rules import Flow, Settled, settle
from verifier.correlation.analysis.source_ranking import Sources, best, echoes
from verifier.correlation.analysis.sources import Source, sources
from verifier.correlation.analysis.step_names import step_name
from verifier.correlation.analysis.templating import Grain, make_template
from verifier.correlation.list_elements import siblings
from verifier.correlation.model import CookieTemplate, Extraction, Report, Rules, Script, ScriptStep, Slot
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.template import RequestTemplate
from verifier.correlation.text.classes import EMAIL, UUID, is_random, is_short_id, is_unique
from verifier.correlation.text.json import cached_json
from verifier.correlation.text.names import RequestPlace, is_identifier, names_itself
from verifier.correlation.text.times import moment
from verifier.http.message import Request, header
from verifier.recording.model import Exchange, Session


def recorded_steps(session: Session) -> list[ScriptStep]:
    """The exchanges of a session before their analysis, each run of polling as one step."""
    return [ScriptStep(exchange, poll) for exchange, poll in collapse(session.exchanges)]


def learn(session: Session, *, began: float, rules: Rules = Rules()) -> Script:  # noqa: B008
    """Analyse a session. `began` is the recording's wall-clock time (seconds since the epoch, 0 if unknown).

    Raises BadInput for rules that are no runtime expressions. What the recording leaves open is reported in the
    steps, each with the rule that settles it.
    """
    return Analysis(session.id, recorded_steps(session), began, settle(rules)).script()


@dataclass(slots=True)
class _Reports:
    unmatched: dict[str, Report] = field(default_factory=dict)
    ambiguous: dict[str, Report] = field(default_factory=dict)


class Analysis:
    """One session under analysis; `script` does it, and fills `needs` with what is left open."""

    def __init__(self, session: str, steps: Sequence[ScriptStep], began: float, settled: Settled) -> None:
        self.session = session
        self.began = began
        self.settled = settled
        self.steps = steps
        self.needs: dict[tuple[int, str], Consumer] = {}
        self.cookies = cookie_uses([step.exchange for step in steps], [step.lender for step in steps])
        self.uses: dict[str, list[Use]] = defaultdict(list)
        self.sources: dict[str, Sources] = defaultdict(Sources)
        self.slots: list[Slot] = []
        self.extractions: dict[int, list[Extraction]] = defaultdict(list)
        self.reports: dict[int, _Reports] = defaultdict(_Reports)
        self._by_key: dict[object, int] = {}
        self._cookie_slots: dict[int, dict[str, int]] = defaultdict(dict)
        self._decisions: dict[str, ValueDecision] = {}
        self._names: dict[str, ValueDecision | None] = {}

    def script(self) -> Script:
        for index, step in enumerate(self.steps):
            self._collect(index, step.exchange)
        for index, step in enumerate(self.steps):
            for source in sources(index, step.exchange.request, step.exchange.response, self.uses.keys()):
                self.sources[source.text].add(source)
        templates = [self._template(index, step.exchange) for index, step in enumerate(self.steps)]
        # Every template is made first: a later request may still add to what an earlier response gives.
        steps = (
            self._step(index, step, made) for index, (step, made) in enumerate(zip(self.steps, templates, strict=True))
        )
        return Script(self.session, tuple(steps), tuple(self.slots), self.began)

    def _collect(self, index: int, exchange: Exchange) -> None:
        request = exchange.request
        at = self.began + exchange.at if self.began else 0.0
        conditional = header(request.headers, "if-match") is not None

        def note(text: str, place: RequestPlace, grain: Grain) -> None:
            self.uses[text].append(
                Use(index, request.method, request.target, exchange.response.status, at, place, grain, conditional)
            )

        make_template(request, note)
        for name, value in self.cookies.own(index):
            note(value, _cookie(name), "whole")

    def _template(self, index: int, exchange: Exchange) -> RequestTemplate:
        def resolve(text: str, place: RequestPlace, grain: Grain) -> int | None:
            return self._resolve(index, exchange.request, text, place, grain)

        made = make_template(exchange.request, resolve)
        for name, value in self.cookies.own(index):
            slot = resolve(value, _cookie(name), "whole") if is_unique(value) else None
            if slot is not None:
                self._cookie_slots[index][name] = slot
            else:
                self._decided(index, value, _cookie(name))
        return made

    # ---- one text in one request

    def _resolve(self, index: int, request: Request, text: str, place: RequestPlace, grain: Grain) -> int | None:
        if self.settled.kept(request, place, text):
            return None
        if grain == "whole":
            flow = self.settled.flow(request, place)
            if flow is not None:
                return self._by_rule(index, flow, text, place)
            if self.settled.renewed(request, place, text):
                return self._fresh(text, KEEP)
        if text in self.settled.fresh:
            return self._fresh(text, KEEP)
        made = self.created(text) if grain != "word" else None
        if made is not None and made.fits(place):
            return self._fresh(text, made)
        if grain in ("made", "word"):
            return self._made_up(index, text, place, grain)
        strong = self._is_strong(text)
        if not strong or not self._client_first(text):
            found = text in self.sources and best(self.sources[text], self.uses[text], index, text, place, strong)
            if found:
                return self._learned(text, found, place)
            if not strong:
                self._maybe_ambiguous(index, text, place, grain)
        if strong or (grain == "whole" and is_short_id(text) and (place.kind == "path" or is_identifier(place.name))):
            self.needs.setdefault((index, text), Consumer(index, text, place, strong))
        # A word that stands for itself in whatever surrounds it.
        by_itself = UUID.fullmatch(text) if grain == "fine" else EMAIL.fullmatch(text) if grain == "coarse" else None
        return self._made_up(index, text, place, grain) if by_itself else None

    def _made_up(self, index: int, text: str, place: RequestPlace, grain: Grain) -> int | None:
        if self._seen_before(index, text) and not self._client_first(text):
            return None
        if text not in self.uses or (grain == "word" and not is_random(text)):
            return None
        return self._decided(index, text, place)

    def created(self, text: str) -> ValueDecision | None:
        """The decision about a readable name under which the client has created something."""
        if text not in self._names:
            use = created(self.uses[text]) if text in self.uses else None
            known = use is not None and any(
                source.index < use.index and names_itself(source.place.name)
                for source in (self.sources[text].all if text in self.sources else ())
            )
            made = use if not known else None
            # A plain word in a path may as well be a collection's.
            telling = not text.isalpha()
            self._names[text] = ValueDecision("fresh", limit=made.place, telling=telling) if made is not None else None
        return self._names[text]

    def creations(self) -> Iterator[tuple[str, Use]]:
        """The readable names under which the client has created something, each with the use that did."""
        for text, decision in self._names.items():
            use = created(self.uses[text]) if decision is not None else None
            if use is not None:
                yield text, use

    def fits(self, text: str, place: RequestPlace) -> bool:
        """Whether a name that this client has chosen is meant at a place."""
        decision = self.created(text)
        return decision is not None and decision.fits(place)

    def renews(self, text: str) -> bool:
        """Whether the client made a text up, so that each replay has another."""
        return ("fresh", text) in self._by_key

    def _is_strong(self, text: str) -> bool:
        if is_unique(text):
            return True
        when = moment(text) if self.began else None
        return when is not None and when.kind != "date" and abs(when.seconds - self.began) < 10 * 86400

    def _client_first(self, text: str) -> bool:
        """Whether a request carried the text before any answer did."""
        return text not in self.sources or self.uses[text][0].index <= self.sources[text].first

    def _seen_before(self, index: int, text: str) -> bool:
        return text in self.sources and self.sources[text].first < index

    def _decided(self, index: int, text: str, place: RequestPlace) -> int | None:
        if text not in self._decisions:
            self._decisions[text] = decide(text, self.uses[text])
        decision = self._decisions[text]
        if decision.kind == "fresh":
            return self._fresh(text, decision) if decision.fits(place) else None
        if decision.kind == "unmatched" and not self.settled.keeps(text):
            via = place.via or f"$request.{place.kind}.{place.name}"
            self.reports[index].unmatched.setdefault(text, never_issued(text, via))
        return None

    def _maybe_ambiguous(self, index: int, text: str, place: RequestPlace, grain: Grain) -> None:
        """A short number after a collection's name, equal to some identifier of another kind."""
        if grain != "whole" or place.kind != "path" or not text.isdecimal() or self._used_before(index, text, place):
            return
        for source in reversed(self.sources[text].all if text in self.sources else []):
            named = names_itself(source.place.name) and source.depth == 0 and not source.locator.listed
            if source.index < index and named and not echoes(source, self.uses[text], strong=False):
                via, expression = place.via, source.locator.expression
                self.reports[index].ambiguous.setdefault(text, Report(
                    "ambiguous",
                    f"{via} is {text}, as is {expression} of exchange {source.index + 1}, whose name does not fit",
                    f"flows: [{{from: {expression}, to: {via}}}], or keep: [{via}]",
                ))  # fmt: skip
                return

    def _used_before(self, index: int, text: str, place: RequestPlace) -> bool:
        return any(use.index < index and use.place == place for use in self.uses[text])

    # ---- slots

    def _slot(self, key: object, slot: Slot) -> tuple[int, bool]:
        known = self._by_key.get(key)
        if known is not None:
            return known, False
        self._by_key[key] = len(self.slots)
        self.slots.append(slot)
        return len(self.slots) - 1, True

    def _fresh(self, text: str, decision: ValueDecision) -> int:
        return self._slot(("fresh", text), Slot(text, fresh=True, moment=decision.moment))[0]

    def _learned(self, text: str, found: list[tuple[Source, bool]], place: RequestPlace) -> int:
        chosen = found[0][0]
        slot, new = self._slot((text, chosen.index, chosen.locator), Slot(text, use=place.via or place.name))
        if new:
            for rank, (source, equal) in enumerate(found):
                self._take(source.index, Extraction(slot, source.locator, rank, equal, self._siblings(source)))
        return slot

    def _siblings(self, source: Source) -> tuple[tuple[str, str], ...]:
        if not source.locator.listed:
            return ()
        return siblings(cached_json(self.steps[source.index].exchange.response.body), source.locator.key)

    def _take(self, index: int, extraction: Extraction) -> None:
        self.extractions[index].append(extraction)

    def _by_rule(self, index: int, flow: Flow, text: str, place: RequestPlace) -> int | None:
        """The latest earlier answer with the rule's place; its value may be a part of the text, as in `Bearer x`."""
        for earlier in range(index - 1, -1, -1):
            exchange = self.steps[earlier].exchange
            value = (
                ResponseReader(exchange.response).value(flow.locator) if flow.source.fits(exchange.request) else None
            )
            if value is not None and value != text and value in text:
                return None
            if value is not None:
                slot, new = self._slot(("rule", flow, earlier), Slot(text, use=place.via))
                if new:
                    self._take(earlier, Extraction(slot, flow.locator, 0, False))
                return slot
        self.needs[index, text] = Consumer(index, text, place, True, flow)
        self.reports[index].unmatched.setdefault(text, Report(
            "unmatched",
            f"no earlier answer has {flow.source.expression}, which a rule names for {place.via}",
            f"flows: [{{from: ..., to: {place.via}}}]",
        ))  # fmt: skip
        return None

    # ---- results

    def _step(self, index: int, step: ScriptStep, template: RequestTemplate) -> ScriptStep:
        reports, extractions = self.reports.get(index, _Reports()), self.extractions.get(index, ())
        produces = dict.fromkeys(extraction.locator.expression for extraction in extractions if extraction.rank == 0)
        keeps_cookies = step.lender in self.cookies.active
        if keeps_cookies and index in self.cookies.setters:
            produces.setdefault("$response.header.Set-Cookie")
        return replace(
            step,
            name=step_name(step.exchange.request, template.target),
            template=template if template.uses else None,
            cookie=self._cookie_template(index, keeps_cookies),
            extractions=tuple(extractions),
            stores_cookies=keeps_cookies,
            produces=tuple(produces),
            unmatched=tuple(reports.unmatched.values()),
            ambiguous=tuple(reports.ambiguous.values()),
        )

    def _cookie_template(self, index: int, keeps_cookies: bool) -> CookieTemplate | None:
        """None for a cookie header that is sent as recorded, as neither the jar nor a response has a part in it."""
        learned = self._cookie_slots.get(index)
        cookie = self.cookies.uses.get(index) if keeps_cookies or learned else None
        return cookie.with_slots(learned) if cookie is not None and learned else cookie


def _cookie(name: str) -> RequestPlace:
    return RequestPlace("cookie", name, (), f"$request.cookie.{name}")

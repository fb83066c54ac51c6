"""The analysis of one session: which values flow from responses into requests, and which the client makes up.

Three passes over the session: the first collects all texts of all requests, the second finds those texts in the
responses, and the third makes a template of each request. A value that no response of the session gives stays open;
a response of another session may give it (`borrowing.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from verifier.correlation.analysis.consumers import Consumer
from verifier.correlation.analysis.cookies import recorded_cookies
from verifier.correlation.analysis.reports import misnamed, never_issued, rule_without_source
from verifier.correlation.analysis.rules import Flow, ParsedRules, parse_rules
from verifier.correlation.analysis.slots import SlotTable
from verifier.correlation.analysis.step_names import step_name
from verifier.correlation.analysis.templating import Grain, make_template
from verifier.correlation.analysis.values import SessionValues, cookie_field
from verifier.correlation.analysis.waiting import collapse
from verifier.correlation.analysis.waiting_values import WaitingValues
from verifier.correlation.model import CookieTemplate, Report, Rules, Script, ScriptStep
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.template import RequestTemplate
from verifier.correlation.text.classes import EMAIL, UUID, is_random, is_short_id, is_unique
from verifier.correlation.text.names import MessageField, is_identifier
from verifier.http.message import Request
from verifier.recording.model import Exchange, Session


def recorded_steps(session: Session) -> list[ScriptStep]:
    """The exchanges of a session before their analysis, each waiting as one step."""
    return [ScriptStep(exchange, waiting) for exchange, waiting in collapse(session.exchanges)]


def learn(session: Session, *, began: float, rules: Rules = Rules()) -> Script:  # noqa: B008
    """Analyse a session. `began` is the recording's wall-clock time (seconds since the epoch, 0 if unknown).

    Raises BadInput for rules that are no runtime expressions. What the recording leaves open is reported in the
    steps, each with the rule that settles it.
    """
    return Analysis(session.id, recorded_steps(session), began, parse_rules(rules)).script()


@dataclass(slots=True)
class _Reports:
    """The reports about one step, by the text that they are about."""

    unmatched: dict[str, Report] = field(default_factory=dict)
    ambiguous: dict[str, Report] = field(default_factory=dict)


class Analysis:
    """One session under analysis. `script` does it, and fills `consumers` with what is left open."""

    def __init__(
        self,
        session: str,
        steps: Sequence[ScriptStep],
        began: float,
        rules: ParsedRules,
        lone: AbstractSet[str] = frozenset(),
    ) -> None:
        self.session = session
        self.began = began
        self.rules = rules
        self.steps = steps
        self.values = SessionValues(began, rules.renewed_at, lone)
        self.slots = SlotTable(steps)
        self.consumers: dict[tuple[int, str], Consumer] = {}
        self.reports: dict[int, _Reports] = defaultdict(_Reports)
        self._cookies = recorded_cookies([step.exchange for step in steps], [step.lender for step in steps])
        self._cookie_slots: dict[int, dict[str, int]] = defaultdict(dict)

    def script(self) -> Script:
        for index, step in enumerate(self.steps):
            self.values.add_request(index, step.exchange, self._cookies.own(index))
        waited_for = {own.text for step in self.steps if step.waiting is not None for own in step.waiting.own}
        wanted = self.values.occurrences.keys() | waited_for
        for index, step in enumerate(self.steps):
            self.values.add_response(index, step.exchange, wanted)
        # All templates are made before any step: a later request may add an extraction to an earlier step.
        templates = [self._template(index, step.exchange) for index, step in enumerate(self.steps)]
        self.steps = WaitingValues(self.steps, self.values, self.slots).bound()
        steps = tuple(
            self._step(index, step, made) for index, (step, made) in enumerate(zip(self.steps, templates, strict=True))
        )
        return Script(self.session, steps, tuple(self.slots.slots), self.began)

    def _template(self, index: int, exchange: Exchange) -> RequestTemplate:
        def resolve(text: str, field: MessageField, grain: Grain) -> int | None:
            return self._resolve(index, exchange.request, text, field, grain)

        made = make_template(exchange.request, resolve)
        for name, value in self._cookies.own(index):
            slot = resolve(value, cookie_field(name), "whole") if is_unique(value) else None
            if slot is not None:
                self._cookie_slots[index][name] = slot
            else:
                self._by_decision(index, value, cookie_field(name))
        return made

    # ---- one text in one request

    def _resolve(self, index: int, request: Request, text: str, field: MessageField, grain: Grain) -> int | None:
        """The slot of a text in a request; None where the text stays as recorded."""
        if self.rules.kept(request, field, text):
            return None
        if grain == "whole":
            flow = self.rules.flow(request, field)
            if flow is not None:
                return self._by_rule(index, flow, text, field)
            if self.rules.renewed_at(request, field):
                return self.slots.fresh(text)
        if text in self.rules.fresh or text in self.values.renewed:
            return self.slots.fresh(text)
        if grain != "word" and self.values.names_creation(text, field) and not self.values.has_drawn_word(text):
            return self.slots.fresh(text)
        if grain in ("made", "word"):
            return self._made_up(index, text, field, grain)
        return self._from_response(index, text, field, grain)

    def _from_response(self, index: int, text: str, field: MessageField, grain: Grain) -> int | None:
        distinctive = self.values.is_distinctive(text)
        if not distinctive or not self.values.client_first(text):
            ranked = self.values.ranked(index, text, field, distinctive)
            if ranked:
                return self.slots.learned(text, ranked, field)
            if not distinctive:
                self._maybe_ambiguous(index, text, field, grain)
        named = field.kind == "path" or is_identifier(field.name)
        if distinctive or (grain == "whole" and is_short_id(text) and named):
            self.consumers.setdefault((index, text), Consumer(index, text, field, distinctive))
        # What stands for itself in whatever surrounds it.
        by_itself = UUID.fullmatch(text) if grain == "fine" else EMAIL.fullmatch(text) if grain == "coarse" else None
        drawn = grain != "whole" and self.values.is_drawn_whole(text)
        return self._made_up(index, text, field, grain) if by_itself or drawn else None

    def _made_up(self, index: int, text: str, field: MessageField, grain: Grain) -> int | None:
        if self.values.offered_before(index, text) and not self.values.client_first(text):
            return None
        if text not in self.values.occurrences or (grain == "word" and not is_random(text)):
            return None
        if grain != "word" and self.values.has_drawn_word(text):
            return None
        return self._by_decision(index, text, field)

    def _by_decision(self, index: int, text: str, field: MessageField) -> int | None:
        decision = self.values.decision(text)
        if decision.kind == "fresh":
            return self.slots.fresh(text, decision.moment) if decision.fits(field) else None
        if decision.kind == "unmatched" and not self.rules.keeps(text):
            via = field.via or f"$request.{field.kind}.{field.name}"
            self.reports[index].unmatched.setdefault(text, never_issued(text, via))
        return None

    def _by_rule(self, index: int, flow: Flow, text: str, field: MessageField) -> int | None:
        """The latest earlier response that has what the rule names; its value may be a part of the text (`Bearer x`).

        None for a part: the rule is asked again about the part alone.
        """
        for earlier in range(index - 1, -1, -1):
            exchange = self.steps[earlier].exchange
            if not flow.source.fits(exchange.request):
                continue
            value = ResponseReader(exchange.response).value(flow.locator)
            if value is not None:
                part = value != text and value in text
                return None if part else self.slots.by_rule(text, flow, earlier, field)
        self.consumers[index, text] = Consumer(index, text, field, True, flow)
        self.reports[index].unmatched.setdefault(text, rule_without_source(flow.source.expression, field.via))
        return None

    def _maybe_ambiguous(self, index: int, text: str, field: MessageField, grain: Grain) -> None:
        """Report a short number after a collection's name that equals some identifier of another kind."""
        if grain != "whole" or field.kind != "path" or not text.isdecimal():
            return
        source = None if self.values.sent_before(index, text, field) else self.values.misnamed(index, text)
        if source is not None:
            report = misnamed(text, field.via, source.locator.expression, source.index)
            self.reports[index].ambiguous.setdefault(text, report)

    # ---- results

    def _step(self, index: int, step: ScriptStep, template: RequestTemplate) -> ScriptStep:
        reports, extractions = self.reports.get(index, _Reports()), self.slots.extractions.get(index, ())
        produces = dict.fromkeys(extraction.locator.expression for extraction in extractions if extraction.rank == 0)
        keeps_cookies = step.lender in self._cookies.clients
        if keeps_cookies and index in self._cookies.setters:
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
        cookie = self._cookies.templates.get(index) if keeps_cookies or learned else None
        return cookie.with_slots(learned) if cookie is not None and learned else cookie

"""The rules of the matrix, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.correlation.model import Locator, Rules
from verifier.correlation.text.classes import is_unique
from verifier.correlation.text.names import MessageField
from verifier.errors import BadInput
from verifier.http.message import Request
from verifier.paths import matches

_OPERATION = re.compile(r"(?:([A-Z]+) (/\S*) )?(\$\S.*)\Z")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A runtime expression, and the method and path template that limit it to one operation ("" for any)."""

    method: str
    template: str
    expression: str

    def fits(self, request: Request) -> bool:
        if self.method and self.method != request.method:
            return False
        return not self.template or matches(self.template, request.path)

    def names(self, field: MessageField) -> bool:
        """Whether the expression means a field. Case does not count; a body without a pointer stands for all of it."""
        return field.via.lower() == self.expression.lower() or (
            self.expression == "$request.body" and field.via.startswith("$request.body")
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """A rule that takes the value of `target` in requests from `source` in responses."""

    locator: Locator
    source: Pattern
    target: Pattern


@dataclass(frozen=True, slots=True)
class ParsedRules:
    """Rules for values, and rules for places (`_at`)."""

    flows: tuple[Flow, ...]
    keep: frozenset[str]
    fresh: frozenset[str]
    keep_at: tuple[Pattern, ...]
    fresh_at: tuple[Pattern, ...]

    def flow(self, request: Request, field: MessageField) -> Flow | None:
        return next((flow for flow in self.flows if flow.target.fits(request) and flow.target.names(field)), None)

    def kept(self, request: Request, field: MessageField, text: str) -> bool:
        return self.keeps(text) or any(rule.fits(request) and rule.names(field) for rule in self.keep_at)

    def keeps(self, text: str) -> bool:
        """Whether a rule keeps a value, or another value of which this is an unmistakable part."""
        if text in self.keep:
            return True
        return bool(self.keep) and is_unique(text) and any(text in value for value in self.keep)

    def renewed_at(self, request: Request, field: MessageField) -> bool:
        return any(rule.fits(request) and rule.names(field) for rule in self.fresh_at)


def parse_rules(rules: Rules) -> ParsedRules:
    """Raises BadInput for a rule that is no runtime expression."""
    flows = []
    for source, use in rules.flows:
        given, wanted = pattern(source, "from"), pattern(use, "to")
        if not given.expression.startswith("$response."):
            raise BadInput.one("rules", f"{source!r} must point into a response ($response...)", key="flows.from")
        if not wanted.expression.startswith("$request."):
            raise BadInput.one("rules", f"{use!r} must point into a request ($request...)", key="flows.to")
        flows.append(Flow(locator(given.expression), given, wanted))
    at = {
        name: tuple(pattern(text, name) for text in texts if _OPERATION.match(text))
        for name, texts in (("keep", rules.keep), ("fresh", rules.fresh))
    }
    values = {
        name: frozenset(text for text in texts if not _OPERATION.match(text))
        for name, texts in (("keep", rules.keep), ("fresh", rules.fresh))
    }
    return ParsedRules(tuple(flows), values["keep"], values["fresh"], at["keep"], at["fresh"])


def pattern(text: str, key: str) -> Pattern:
    found = _OPERATION.match(text)
    if not found:
        raise BadInput.one("rules", f"{text!r} is no runtime expression such as $response.body#/id", key=f"flows.{key}")
    method, template, expression = found.groups()
    return Pattern(method or "", template or "", expression)


def locator(expression: str) -> Locator:
    """What an expression of a response points at."""
    rest = expression.removeprefix("$response.")
    part, _, name = rest.partition(".")
    if part == "header" and name.lower().startswith("set-cookie#"):
        return Locator(expression, "cookie", name.partition("#")[2])
    if part == "header" and name:
        return Locator(expression, "header", name.lower())
    if rest.startswith("body#/html/"):
        return Locator(expression, "html", rest.removeprefix("body#/html/"))
    if rest.startswith("body#/xml/"):
        return Locator(expression, "xml", rest.removeprefix("body#/xml/"))
    if rest.startswith("body#"):
        return Locator(expression, "json", rest.removeprefix("body#"))
    if rest == "body":
        return Locator(expression, "text", "")
    raise BadInput.one("rules", f"{expression!r} must name a header or a body of the response", key="flows.from")

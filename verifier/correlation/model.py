"""The plain values of correlation: rules, reports, and what a replay does with requests and responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from verifier.correlation.template import RequestTemplate
from verifier.correlation.text.times import Moment
from verifier.correlation.waiting import Waiting
from verifier.pointers import is_index
from verifier.recording.model import Exchange


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides by hand.

    `flows` are pairs of runtime expressions (from, to). An operation such as `POST /orders` may precede either of
    them; without one, the expression stands for every exchange. `keep` and `fresh` are values, or expressions of
    requests, that are never changed, or are renewed in every replay.
    """

    flows: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Something that the recording alone does not decide. `rule` is the YAML that decides it.

    The rule belongs under the traffic's `rules`, unless it declares `credentials`.
    """

    kind: Literal["unmatched", "ambiguous"]
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.message}; settle it with {'' if self.rule.startswith('credentials:') else 'rules: '}{self.rule}"


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a value stands in a response: a part of the message, a key in that part, and cuts into the text there.

    `part` is "json", "header", "cookie", "html", "xml" or "text". `key` is a JSON pointer, the name of a header or
    cookie, or the path of an element. `cuts` are (splitter, selector) pairs. `expression` is the runtime expression
    that reports and rules show.
    """

    expression: str
    part: str
    key: str
    cuts: tuple[tuple[str, str], ...] = ()

    @property
    def listed(self) -> bool:
        """Whether the value stands in a list, where its position may mean nothing."""
        return self.part in ("json", "xml") and any(is_index(token) for token in self.key.split("/"))


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that a replay fills in: from the start if it is `fresh`, otherwise from a response.

    `moment` is set for a time that is shifted. `use` names a place in a request that needs the value.
    """

    recorded: str
    fresh: bool = False
    moment: Moment | None = None
    use: str = ""


@dataclass(frozen=True, slots=True)
class Extraction:
    """Fills a slot from a response. Rank 0 is the chosen source; the others stand in where that one is empty.

    `equal` marks sources as good as the chosen one: if they differ in a replay, the flow is ambiguous.
    `siblings` are the recorded scalars beside a value in a list, by which its element is found again.
    """

    slot: int
    locator: Locator
    rank: int
    equal: bool
    siblings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CookieTemplate:
    """A recorded Cookie header: its position among the headers, and its pairs.

    The value of a pair is text that the client set itself, a slot, or None for what the cookie jar holds.
    """

    position: int
    pairs: tuple[tuple[str, str | int | None], ...]
    left_out: frozenset[str]  # in the recorded jar, but not sent

    def with_slots(self, learned: Mapping[str, int]) -> CookieTemplate:
        """The same header, with slots for the values of the named cookies."""
        pairs = tuple((name, learned.get(name, value) if value is not None else None) for name, value in self.pairs)
        return CookieTemplate(self.position, pairs, self.left_out)

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(value for _, value in self.pairs if isinstance(value, int))


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One exchange to send, and all that correlation knows about it.

    `waiting` is set where the client waited for something: its repeated reads are one step. `lender` is the session
    that the exchange is borrowed from, "" for one of its own; each lender is a client with a cookie jar of its own.
    `template` is None where nothing in the request changes. `produces` lists the runtime expressions whose values
    later steps use.
    """

    exchange: Exchange
    waiting: Waiting | None = None
    lender: str = ""
    name: str = ""  # "METHOD /path/{}"
    template: RequestTemplate | None = None
    cookie: CookieTemplate | None = None
    extractions: tuple[Extraction, ...] = ()
    stores_cookies: bool = False
    produces: tuple[str, ...] = ()
    unmatched: tuple[Report, ...] = ()
    ambiguous: tuple[Report, ...] = ()
    uses: frozenset[int] = field(init=False, compare=False, repr=False)  # the slots in its request

    def __post_init__(self) -> None:
        used = self.template.uses if self.template is not None else frozenset()
        object.__setattr__(self, "uses", used | self.cookie.slots if self.cookie is not None else used)

    @property
    def subject(self) -> set[int]:
        """The slots in its target and body: the things that the request is about."""
        return self.template.subject if self.template is not None else set()


@dataclass(frozen=True, slots=True)
class Script:
    """One session, analysed once and replayed many times. Immutable; share it freely.

    `began` is the wall-clock time of the recording in seconds since the epoch, 0 if unknown.
    """

    session: str
    steps: tuple[ScriptStep, ...]
    slots: tuple[Slot, ...]
    began: float
    _first: dict[int, int] = field(init=False, compare=False, repr=False)  # by slot: the first step that is about it

    def __post_init__(self) -> None:
        first: dict[int, int] = {}
        for index, step in enumerate(self.steps):
            for slot in step.subject:
                first.setdefault(slot, index)
        object.__setattr__(self, "_first", first)

    def depends(self, later: int, earlier: int) -> bool:
        """Whether a step needs an earlier one, so that it cannot be sent before it.

        It does where it uses a value of the earlier response, names what the client made up for the earlier request,
        or is about something inside of it: `POST /shelves/a/books` after `PUT /shelves/a`.
        """
        producer, consumer = self.steps[earlier], self.steps[later]
        produced = {extraction.slot for extraction in producer.extractions}
        same_jar = producer.stores_cookies and consumer.cookie is not None and producer.lender == consumer.lender
        if produced & consumer.uses or same_jar:
            return True
        made_up = {slot for slot in producer.subject if self._first[slot] == earlier and self.slots[slot].fresh}
        inner, outer = consumer.exchange.request.path, producer.exchange.request.path
        return bool(made_up & consumer.subject) or inner.startswith(outer.rstrip("/") + "/")

"""The values of one session: which texts its requests carry, and which of them its responses offer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from verifier.correlation.analysis.creations import creation, unmistakable
from verifier.correlation.analysis.decisions import Occurrence, ValueDecision, decide
from verifier.correlation.analysis.source_ranking import Sources, echoes, ranked_sources
from verifier.correlation.analysis.sources import Source, sources
from verifier.correlation.analysis.templating import Grain, make_template
from verifier.correlation.text.classes import EMAIL, UUID, is_random, is_unique
from verifier.correlation.text.names import MessageField, names_itself
from verifier.correlation.text.split import fine, is_composed
from verifier.correlation.text.times import moment
from verifier.http.message import Request, header
from verifier.recording.model import Exchange

_NEAR_RECORDING = 10 * 86400  # seconds; a moment farther away is a date of birth, say, and may recur by accident


class SessionValues:
    """Texts by where they occur in requests and where responses offer them. `began` is as for `learn`.

    All requests are added before the first response: of a response only texts are kept that some request carries, or
    that the client waited for.
    """

    def __init__(
        self, began: float, renewed_at: Callable[[Request, MessageField], bool], lone: AbstractSet[str] = frozenset()
    ) -> None:
        self.occurrences: dict[str, list[Occurrence]] = defaultdict(list)
        self.renewed: set[str] = set()  # what stands at a place that a rule renews, and so is renewed everywhere
        self._renewed_at = renewed_at
        self._lone = lone
        self.sources: dict[str, Sources] = {}
        self._began = began
        self._decisions: dict[str, ValueDecision] = {}
        self._drawn: dict[str, bool] = {}
        self._creations: dict[str, tuple[Occurrence, ValueDecision] | None] = {}

    def add_request(self, index: int, exchange: Exchange, cookies: Sequence[tuple[str, str]]) -> None:
        """Note all texts of a request, and the values of those `cookies` that no response has set."""
        request = exchange.request
        at = self._began + exchange.at if self._began else 0.0
        conditional = header(request.headers, "if-match") is not None
        made = header(exchange.response.headers, "location") or ""

        def note(text: str, field: MessageField, grain: Grain) -> None:
            if grain == "whole" and self._renewed_at(request, field) and not _is_common(text):
                self.renewed.add(text)
            self.occurrences[text].append(
                Occurrence(
                    index, request.method, request.target, exchange.response.status, at, field, grain, conditional, made
                )
            )

        make_template(request, note)
        for name, value in cookies:
            note(value, cookie_field(name), "whole")

    def add_response(self, index: int, exchange: Exchange, wanted: AbstractSet[str]) -> None:
        """Note where a response offers one of the `wanted` texts."""
        for source in sources(index, exchange.request, exchange.response, wanted):
            self.sources.setdefault(source.text, Sources()).add(source)

    def is_distinctive(self, text: str) -> bool:
        """Whether equal texts are the same value, whatever the fields are called: unique ones and moments."""
        if is_unique(text):
            return True
        when = moment(text) if self._began else None
        return when is not None and when.kind != "date" and abs(when.seconds - self._began) < _NEAR_RECORDING

    def client_first(self, text: str) -> bool:
        """Whether a request carried the text before any response did."""
        return text not in self.sources or self.occurrences[text][0].index <= self.sources[text].first

    def offered_before(self, index: int, text: str) -> bool:
        """Whether a response before exchange `index` carries the text."""
        return text in self.sources and self.sources[text].first < index

    def sent_before(self, index: int, text: str, field: MessageField) -> bool:
        """Whether a request before exchange `index` carries the text in the same field."""
        return any(occurrence.index < index and occurrence.field == field for occurrence in self.occurrences[text])

    def ranked(self, index: int, text: str, field: MessageField, distinctive: bool) -> list[tuple[Source, bool]]:
        """The sources of a text in the request of exchange `index`; see `ranked_sources`."""
        if text not in self.sources:
            return []
        return ranked_sources(self.sources[text], self.occurrences[text], index, text, field, distinctive)

    def misnamed(self, index: int, text: str) -> Source | None:
        """The latest identifier equal to a text, whatever it is called, that its own request did not carry."""
        for source in reversed(self.sources[text].all if text in self.sources else []):
            identifier = names_itself(source.field.name) and source.depth == 0 and not source.locator.listed
            if source.index < index and identifier and not echoes(source, self.occurrences[text], distinctive=False):
                return source
        return None

    def decision(self, text: str) -> ValueDecision:
        """What becomes of a text that requests carry before any response does."""
        if text not in self._decisions:
            self._decisions[text] = decide(text, self.occurrences[text], lone=text in self._lone)
        return self._decisions[text]

    def has_drawn_word(self, text: str) -> bool:
        """Whether the client drew a word of a text and uses it in other texts too: the word is renewed in each."""
        if text not in self._drawn:
            words = fine(text) if is_composed(text) and not EMAIL.fullmatch(text) else []
            places = {(one.index, one.field.via) for one in self.occurrences.get(text, ())}
            self._drawn[text] = len(words) > 1 and any(
                self._is_drawn(part.value)
                and any((one.index, one.field.via) not in places for one in self.occurrences[part.value])
                for part in words
            )
        return self._drawn[text]

    def _is_drawn(self, word: str) -> bool:
        if word not in self.occurrences or not is_random(word) or UUID.fullmatch(word) or not self.client_first(word):
            return False
        decision = self.decision(word)
        return decision.kind == "fresh" and decision.moment is None and decision.limit is None

    def is_drawn_whole(self, text: str) -> bool:
        """Whether a part of a text is a whole value elsewhere, which the client drew."""
        if not is_random(text) or not any(one.grain == "whole" for one in self.occurrences.get(text, ())):
            return False
        decision = self.decision(text)
        return decision.kind == "fresh" and decision.moment is None and decision.limit is None

    def creation(self, text: str) -> ValueDecision | None:
        """The decision about a readable name under which the client has created something; None for other texts."""
        if text not in self._creations:
            self._creations[text] = self._find_creation(text)
        found = self._creations[text]
        return found[1] if found is not None else None

    def _find_creation(self, text: str) -> tuple[Occurrence, ValueDecision] | None:
        occurrence = creation(text, self.occurrences[text]) if text in self.occurrences else None
        if occurrence is None:
            return None
        offered = self.sources[text].all if text in self.sources else ()
        if any(source.index < occurrence.index and names_itself(source.field.name) for source in offered):
            return None
        # A plain word in a path may as well be the name of a collection.
        sure = unmistakable(text)
        return occurrence, ValueDecision("fresh", None, occurrence.field, telling=not text.isalpha(), unmistakable=sure)

    def creations(self) -> Iterator[tuple[str, Occurrence]]:
        """The names asked about so far under which the client has created something, and the requests that did."""
        for text, found in self._creations.items():
            if found is not None:
                yield text, found[0]

    def names_creation(self, text: str, field: MessageField) -> bool:
        """Whether a text in a field means what this client has created under that name."""
        decision = self.creation(text)
        return decision is not None and decision.fits(field)


def _is_common(text: str) -> bool:
    """Whether equal texts elsewhere are hardly the same value: short ones, small numbers, the words of JSON."""
    return len(text) < 3 or (text.isdecimal() and len(text) < 5) or text in ("true", "false", "null")


def cookie_field(name: str) -> MessageField:
    return MessageField("cookie", name, (), f"$request.cookie.{name}")

"""Which exchange of another session issued what a session uses: the token of a shared login, the order of a customer.

What makes a value known is its first appearance in an answer; what shows it later only repeats it. So the issuer is
the first write whose answer carries the value and whose request did not; where none is, a read may have found it
(a list of what was there before). A value that some client sent before any answer had it is the client's own: it
needs an exchange only where that created something under it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from verifier.correlation.analysis.consumers import Consumer
from verifier.correlation.analysis.learn import Analysis
from verifier.correlation.analysis.source_ranking import echoes
from verifier.correlation.analysis.sources import Source, sources
from verifier.correlation.model import Script
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.text.classes import is_random
from verifier.correlation.text.names import affinity
from verifier.history.outcome import SAFE

Node = tuple[int, int]  # the number of a session, and of a step in it
Moment = tuple[float, int]  # seconds since the recording began, entry number


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a session consumes, and the step of another session that produces it.

    `conflicts` are equally good producers in other sessions; `rule` is the rule that decides between them.
    """

    consumer: Consumer
    node: Node
    conflicts: tuple[Node, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    at: Moment
    node: Node
    source: Source
    write: bool


class Producers:
    """All sessions of a recording, analysed, as lenders to each other."""

    def __init__(self, analyses: Sequence[Analysis], scripts: Sequence[Script]) -> None:
        self._analyses = analyses
        self._scripts = scripts
        self._sources: dict[str, list[_Candidate]] = defaultdict(list)
        self._loans: dict[int, list[Dependency]] = {}
        self._first_sent: dict[str, Node] = {}
        self._creations: dict[str, list[Node]] = defaultdict(list)
        wanted = {
            consumer.text for analysis in analyses for consumer in analysis.needs.values() if consumer.flow is None
        }
        for number, analysis in enumerate(analyses):
            for text, use in analysis.creations():
                self._creations[text].append((number, use.index))
            self._take_in(number, analysis, wanted)

    def _take_in(self, number: int, analysis: Analysis, wanted: AbstractSet[str]) -> None:
        """Where a session sends or is told one of the wanted texts."""
        for text in wanted & analysis.uses.keys():
            node = (number, analysis.uses[text][0].index)
            known = self._first_sent.setdefault(text, node)
            self._first_sent[text] = min(known, node, key=self.asked)
        for index, step in enumerate(analysis.steps if wanted else ()):
            request, answer = step.exchange.request, step.exchange.response
            if answer.status < 400:
                node, write = (number, index), request.method not in SAFE
                for source in sources(index, request, answer, wanted):
                    self._sources[source.text].append(_Candidate(self.answered(node), node, source, write))

    def asked(self, node: Node) -> Moment:
        """When a step began."""
        exchange = self._analyses[node[0]].steps[node[1]].exchange
        return exchange.at, exchange.line

    def answered(self, node: Node) -> Moment:
        """From when on its answer was known: of a poll, the last one's."""
        step = self._analyses[node[0]].steps[node[1]]
        waited = step.poll.interval * (step.poll.count - 1) if step.poll is not None else 0.0
        return step.exchange.at + waited, step.exchange.line

    def dependencies(self, number: int) -> list[Dependency]:
        """What a session needs of others, in the order of its steps."""
        if number not in self._loans:
            found = [
                dependency
                for consumer in self._analyses[number].needs.values()
                if (dependency := self.dependency(number, consumer))
            ]
            whole = [
                dependency
                for dependency in found
                if not any(_inside(dependency.consumer, other.consumer) for other in found)
            ]
            self._loans[number] = sorted(
                [*whole, *self._names(number)], key=lambda dependency: dependency.consumer.index
            )
        return self._loans[number]

    def dependency(self, number: int, consumer: Consumer) -> Dependency | None:
        if consumer.flow is not None:
            return self._by_rule(number, consumer)
        before = self.asked((number, consumer.index))
        found = [
            candidate
            for candidate in self._sources.get(consumer.text, ())
            if candidate.node[0] != number and candidate.at < before and self._issues(candidate, consumer)
        ]
        first_sent = self._first_sent.get(consumer.text)
        if consumer.strong and first_sent is not None:
            sent = self.asked(first_sent)
            if sent < before and not any(candidate.at <= sent for candidate in found):
                return self._created(number, consumer, first_sent)
        writes = [candidate for candidate in found if candidate.write]
        if writes:
            return self._first(consumer, writes)
        if not consumer.strong or not is_random(consumer.text) or not found:
            return None
        return Dependency(consumer, max(found, key=lambda one: (not one.source.locator.listed, one.at)).node)

    def _issues(self, candidate: _Candidate, consumer: Consumer) -> bool:
        """Whether an answer says something that its own request did not; a short value needs names that agree."""
        source = candidate.source
        uses = self._analyses[candidate.node[0]].uses.get(consumer.text, ())
        if echoes(source, uses, consumer.strong):
            return False
        if consumer.strong:
            return True
        fits = candidate.write and not source.locator.listed
        return fits and affinity(consumer.place, source.place) >= 2

    def _first(self, consumer: Consumer, writes: list[_Candidate]) -> Dependency:
        """The first write that issued it; of equal ones, as of two logins that give one token, the latest."""
        first = min(writes, key=lambda one: one.at)
        same = [one for one in writes if self._kind(one) == self._kind(first)]
        latest = max(same, key=lambda one: one.at)
        others = sorted({one.node for one in same if one.node[0] != latest.node[0]})
        name, expression = self._kind(latest)
        return Dependency(
            consumer, latest.node, tuple(others), f'{{from: "{name} {expression}", to: {consumer.place.via}}}'
        )

    def _kind(self, candidate: _Candidate) -> tuple[str, str]:
        number, index = candidate.node
        return self._scripts[number].steps[index].name, candidate.source.locator.expression

    def _created(self, number: int, consumer: Consumer, node: Node) -> Dependency | None:
        """A thing that another client made under a name of its own, which each replay renews."""
        analysis, index = self._analyses[node[0]], node[1]
        refers = consumer.text in self._analyses[number].reports[consumer.index].unmatched
        exchange = analysis.steps[index].exchange
        made = exchange.request.method not in SAFE and exchange.response.status < 300
        if node[0] == number or not (refers and made and analysis.renews(consumer.text)):
            return None
        return Dependency(consumer, node)

    def _names(self, number: int) -> Iterator[Dependency]:
        """Readable names (`my-bucket`) under which other sessions have created what this one uses."""
        own = self._analyses[number]
        for text in self._creations.keys() & own.uses.keys():
            if own.created(text) is not None:
                continue
            for use in own.uses[text]:
                asked = self.asked((number, use.index))
                known = text in own.sources and own.sources[text].first < use.index
                fitting = [
                    node
                    for node in self._creations[text]
                    if not known and self.asked(node) < asked and self._analyses[node[0]].fits(text, use.place)
                ]
                if fitting:
                    consumer = Consumer(use.index, text, use.place, False)
                    latest = max(fitting, key=self.asked)
                    others = tuple(node for node in fitting if node[0] != latest[0])
                    yield Dependency(consumer, latest, others)
                    break

    def _by_rule(self, number: int, consumer: Consumer) -> Dependency | None:
        """The latest earlier answer of any other session that has the value where the rule says."""
        before, flow = self.asked((number, consumer.index)), consumer.flow
        found = [
            (other, index)
            for other, analysis in enumerate(self._analyses)
            for index, step in enumerate(analysis.steps)
            if other != number
            and flow is not None
            and flow.source.fits(step.exchange.request)
            and self.answered((other, index)) < before
            and ResponseReader(step.exchange.response).value(flow.locator) == consumer.text
        ]
        return Dependency(consumer, max(found, key=self.answered)) if found else None


def _inside(part: Consumer, whole: Consumer) -> bool:
    """Whether a text is a word of another one that is needed at the same place."""
    same = part.index == whole.index and part.place.via == whole.place.via
    return same and part.text != whole.text and part.text in whole.text

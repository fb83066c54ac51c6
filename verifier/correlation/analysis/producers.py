"""Which exchange of another session produces what a session consumes: the token of a shared login, a customer's order.

The first response that carries a value makes it known; later ones only repeat it. So the producer is the first write
whose response carries the value and whose request did not. Without such a write, a read may have found the value: a
list of data that was there before. A value that some client sent before any response had it is the client's own; it
needs an exchange only where that exchange created something under it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from verifier.correlation.analysis.consumers import Consumer
from verifier.correlation.analysis.decisions import Occurrence
from verifier.correlation.analysis.learn import Analysis
from verifier.correlation.analysis.source_ranking import echoes
from verifier.correlation.analysis.sources import Source, sources
from verifier.correlation.model import Script
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.text.classes import is_random
from verifier.correlation.text.names import affinity
from verifier.history.outcome import SAFE

Node = tuple[int, int]  # the number of a session, and of a step in it
Timestamp = tuple[float, int]  # seconds since the recording began, entry number


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
    at: Timestamp
    node: Node
    source: Source
    write: bool


class Producers:
    """All analysed sessions of a recording as producers for each other."""

    def __init__(self, analyses: Sequence[Analysis], scripts: Sequence[Script]) -> None:
        self._analyses = analyses
        self._scripts = scripts
        self._sources: dict[str, list[_Candidate]] = defaultdict(list)
        self._dependencies: dict[int, list[Dependency]] = {}
        self._first_sent: dict[str, Node] = {}
        self._creations: dict[str, list[Node]] = defaultdict(list)
        wanted = {
            consumer.text for analysis in analyses for consumer in analysis.consumers.values() if consumer.flow is None
        }
        for number, analysis in enumerate(analyses):
            for text, occurrence in analysis.values.creations():
                self._creations[text].append((number, occurrence.index))
            self._index(number, analysis, wanted)

    def _index(self, number: int, analysis: Analysis, wanted: AbstractSet[str]) -> None:
        """Note where a session sends or receives one of the wanted texts."""
        occurrences = analysis.values.occurrences
        for text in wanted & occurrences.keys():
            node = (number, occurrences[text][0].index)
            known = self._first_sent.setdefault(text, node)
            self._first_sent[text] = min(known, node, key=self.sent_at)
        for index, step in enumerate(analysis.steps if wanted else ()):
            request, response = step.exchange.request, step.exchange.response
            if response.status < 400:
                node, write = (number, index), request.method not in SAFE
                for source in sources(index, request, response, wanted):
                    self._sources[source.text].append(_Candidate(self.received_at(node), node, source, write))

    def sent_at(self, node: Node) -> Timestamp:
        """When the request of a step was sent."""
        exchange = self._analyses[node[0]].steps[node[1]].exchange
        return exchange.at, exchange.line

    def received_at(self, node: Node) -> Timestamp:
        """When the response of a step was known; of a waiting, the last one."""
        step = self._analyses[node[0]].steps[node[1]]
        waiting = step.waiting
        waited = waiting.interval * (waiting.count - 1) if waiting is not None else 0.0
        return step.exchange.at + waited, step.exchange.line

    def dependencies(self, number: int) -> list[Dependency]:
        """What a session needs of other sessions, in the order of its steps."""
        if number not in self._dependencies:
            found = [
                dependency
                for consumer in self._analyses[number].consumers.values()
                if (dependency := self.dependency(number, consumer))
            ]
            whole = [
                dependency
                for dependency in found
                if not any(_inside(dependency.consumer, other.consumer) for other in found)
            ]
            self._dependencies[number] = sorted(
                [*whole, *self._named_creations(number)], key=lambda dependency: dependency.consumer.index
            )
        return self._dependencies[number]

    def dependency(self, number: int, consumer: Consumer) -> Dependency | None:
        """The producer for one consumer of a session; None where no session has one."""
        if consumer.flow is not None:
            return self._by_rule(number, consumer)
        before = self.sent_at((number, consumer.index))
        found = [
            candidate
            for candidate in self._sources.get(consumer.text, ())
            if candidate.node[0] != number and candidate.at < before and self._produces(candidate, consumer)
        ]
        first_sent = self._first_sent.get(consumer.text)
        if consumer.distinctive and first_sent is not None:
            sent = self.sent_at(first_sent)
            if sent < before and not any(candidate.at <= sent for candidate in found):
                return self._created(number, consumer, first_sent)
        writes = [candidate for candidate in found if candidate.write]
        if writes:
            return self._first_producer(consumer, writes)
        if not consumer.distinctive or not is_random(consumer.text) or not found:
            return None
        return Dependency(consumer, max(found, key=lambda one: (not one.source.locator.listed, one.at)).node)

    def _produces(self, candidate: _Candidate, consumer: Consumer) -> bool:
        """Whether a response adds the value to what its own request said; a short value needs names that agree too."""
        source = candidate.source
        occurrences = self._analyses[candidate.node[0]].values.occurrences.get(consumer.text, ())
        if echoes(source, occurrences, consumer.distinctive):
            return False
        if consumer.distinctive:
            return True
        fits = candidate.write and not source.locator.listed
        return fits and affinity(consumer.field, source.field) >= 2

    def _first_producer(self, consumer: Consumer, writes: list[_Candidate]) -> Dependency:
        """The first write that produced the value; of equal writes, such as two logins with one token, the latest."""
        first = min(writes, key=lambda one: one.at)
        same = [one for one in writes if self._kind(one) == self._kind(first)]
        latest = max(same, key=lambda one: one.at)
        others = sorted({one.node for one in same if one.node[0] != latest.node[0]})
        name, expression = self._kind(latest)
        return Dependency(
            consumer, latest.node, tuple(others), f'{{from: "{name} {expression}", to: {consumer.field.via}}}'
        )

    def _kind(self, candidate: _Candidate) -> tuple[str, str]:
        number, index = candidate.node
        return self._scripts[number].steps[index].name, candidate.source.locator.expression

    def _created(self, number: int, consumer: Consumer, node: Node) -> Dependency | None:
        """The step of another session that created something under a name that each replay renews."""
        analysis, index = self._analyses[node[0]], node[1]
        refers = consumer.text in self._analyses[number].reports[consumer.index].unmatched
        exchange = analysis.steps[index].exchange
        made = exchange.request.method not in SAFE and exchange.response.status < 300
        if node[0] == number or not (refers and made and analysis.slots.is_fresh(consumer.text)):
            return None
        return Dependency(consumer, node)

    def _named_creations(self, number: int) -> Iterator[Dependency]:
        """Readable names (`my-bucket`) under which other sessions have created what this one uses."""
        own = self._analyses[number].values
        for text in self._creations.keys() & own.occurrences.keys():
            if own.creation(text) is not None:
                continue
            for occurrence in own.occurrences[text]:
                creators = self._creators(number, text, occurrence)
                if creators and not own.offered_before(occurrence.index, text):
                    latest = max(creators, key=self.sent_at)
                    others = tuple(node for node in creators if node[0] != latest[0])
                    yield Dependency(Consumer(occurrence.index, text, occurrence.field, False), latest, others)
                    break

    def _creators(self, number: int, text: str, occurrence: Occurrence) -> list[Node]:
        """The earlier steps that created what an occurrence names."""
        before = self.sent_at((number, occurrence.index))
        return [
            node
            for node in self._creations[text]
            if self.sent_at(node) < before and self._analyses[node[0]].values.names_creation(text, occurrence.field)
        ]

    def _by_rule(self, number: int, consumer: Consumer) -> Dependency | None:
        """The latest earlier response of another session that has the value where the rule says."""
        before, flow = self.sent_at((number, consumer.index)), consumer.flow
        found = [
            (other, index)
            for other, analysis in enumerate(self._analyses)
            for index, step in enumerate(analysis.steps)
            if other != number
            and flow is not None
            and flow.source.fits(step.exchange.request)
            and self.received_at((other, index)) < before
            and ResponseReader(step.exchange.response).value(flow.locator) == consumer.text
        ]
        return Dependency(consumer, max(found, key=self.received_at)) if found else None


def _inside(part: Consumer, whole: Consumer) -> bool:
    """Whether a text is a part of another one that the same field consumes."""
    same = part.index == whole.index and part.field.via == whole.field.via
    return same and part.text != whole.text and part.text in whole.text

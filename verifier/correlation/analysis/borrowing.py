"""Sessions that consume what other sessions' responses produce, made replayable by themselves.

Such a session borrows exchanges: the producer of the value, and all that the producer depends on in turn, become
exchanges of its own, in recorded order, each with the cookie jar of the client that sent it. So a service issues every
value anew in every replay, whichever sessions are replayed and in whatever order. A producer was always recorded
before its consumer, so that there are no cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from verifier.correlation.analysis.learn import Analysis, recorded_steps
from verifier.correlation.analysis.own_values import request_values, words
from verifier.correlation.analysis.producers import Dependency, Node, Producers
from verifier.correlation.analysis.reports import shown
from verifier.correlation.analysis.rules import parse_rules
from verifier.correlation.analysis.step_dependencies import StepDependencies
from verifier.correlation.model import Report, Rules, Script, ScriptStep
from verifier.correlation.text.classes import is_random
from verifier.recording.model import Session

MOST_BORROWED = 40  # exchanges in one session; a poll counts as one


def learn_all(
    sessions: Sequence[Session],
    *,
    began: float,
    rules: Rules = Rules(),  # noqa: B008
    most: int = MOST_BORROWED,
    empty_stores: bool = False,
) -> tuple[Script, ...]:
    """Analyse the sessions of one recording, in their order; see `learn` for what is reported and raised.

    `empty_stores` says that replays start on stores in which nothing is: then a random name that one session alone
    posts to is its client's. It is wrong where a service itself contains such a name (a tenant in its code): old then
    refuses the new name, the session is unknown, and a `keep` rule settles it.

    A session borrows at most `most` exchanges; what would take more is reported as unmatched. A value that several
    sessions were issued alike is taken from the latest, and reported as ambiguous.
    """
    parsed = parse_rules(rules)
    lone = _lone(sessions) if empty_stores else frozenset()
    analyses = [Analysis(session.id, recorded_steps(session), began, parsed, lone) for session in sessions]
    scripts = [analysis.script() for analysis in analyses]
    if len(sessions) < 2:
        return tuple(scripts)
    borrowing = _Borrowing(analyses, scripts, Producers(analyses, scripts), most)
    made = []
    for number, session in enumerate(sessions):
        borrowed, reports = borrowing.borrowed(number)
        if borrowed:
            steps, own = borrowing.merged(number, borrowed)
            script = Analysis(session.id, steps, began, parsed, lone).script()
        else:
            script, own = scripts[number], list(range(len(scripts[number].steps)))
        made.append(_with_reports(script, [(own[index], report) for index, report in reports]))
    return tuple(made)


def _lone(sessions: Sequence[Session]) -> frozenset[str]:
    """The random texts that the requests of one session alone carry."""
    used: Counter[str] = Counter()
    for session in sessions:
        values = {text for exchange in session.exchanges for _, text in request_values(exchange.request)}
        used.update(word for text in values for word in words(text) if is_random(word))
    return frozenset(text for text, count in used.items() if count == 1)


def _with_reports(script: Script, reports: Iterable[tuple[int, Report]]) -> Script:
    steps = list(script.steps)
    for index, report in reports:
        step = steps[index]
        if report.kind == "ambiguous":
            steps[index] = replace(step, ambiguous=(*step.ambiguous, report))
        else:
            steps[index] = replace(step, unmatched=(*step.unmatched, report))
    return replace(script, steps=tuple(steps))


@dataclass(slots=True)
class _Borrowing:
    analyses: Sequence[Analysis]
    scripts: Sequence[Script]
    producers: Producers
    most: int
    _step_dependencies: dict[int, StepDependencies] = field(default_factory=dict)
    _direct: dict[Node, set[Node]] = field(default_factory=dict)

    def borrowed(self, number: int) -> tuple[set[Node], list[tuple[int, Report]]]:
        """The steps of other sessions that a session needs, and the reports about its own steps."""
        borrowed: set[Node] = set()
        reports: list[tuple[int, Report]] = []
        for dependency in self.producers.dependencies(number):
            needed = self._closure(number, dependency.node, borrowed)
            borrowed |= needed or set()
            if needed is None:
                reports.append((dependency.consumer.index, self._left_out(dependency)))
            elif dependency.conflicts:
                reports.append((dependency.consumer.index, self._ambiguous(dependency)))
        return borrowed, reports

    def _closure(self, number: int, node: Node, known: set[Node]) -> set[Node] | None:
        """A step of another session and all that it depends on, in any session; None where that is too much."""
        found: set[Node] = set()
        waiting = [node]
        seen = {node}
        while waiting:
            current = waiting.pop()
            if current[0] == number or current in known:
                continue
            found.add(current)
            if len(found) + len(known) > self.most:
                return None
            needed = self._needed(current) - seen
            seen |= needed
            waiting += sorted(needed)
        return found

    def _needed(self, node: Node) -> set[Node]:
        """The steps that a step depends on directly: of its own session, and of others."""
        number, index = node
        if node not in self._direct:
            if number not in self._step_dependencies:
                self._step_dependencies[number] = StepDependencies(self.scripts[number])
            own = {(number, earlier) for earlier in self._step_dependencies[number].of(index)}
            self._direct[node] = own | {
                dependency.node
                for dependency in self.producers.dependencies(number)
                if dependency.consumer.index == index
            }
        return self._direct[node]

    def merged(self, number: int, borrowed: set[Node]) -> tuple[list[ScriptStep], list[int]]:
        """All steps in recorded order, and where the session's own are among them."""
        own = [(number, index) for index in range(len(self.analyses[number].steps))]
        order = sorted([*own, *borrowed], key=lambda node: (self.producers.sent_at(node), node[0] == number))
        steps = []
        for lender, index in order:
            step = self.analyses[lender].steps[index]
            steps.append(step if lender == number else replace(step, lender=self.analyses[lender].session))
        position = {node: at for at, node in enumerate(order)}
        return steps, [position[node] for node in own]

    def _ambiguous(self, dependency: Dependency) -> Report:
        sessions = [self.analyses[number].session for number, _ in (*dependency.conflicts, dependency.node)]
        via, text = dependency.consumer.field.via, shown(dependency.consumer.text)
        keep = f"keep: [{text}] if it exists before the run"
        return Report(
            "ambiguous",
            f"{via} is {text}, which sessions {', '.join(sessions[:-1])} and {sessions[-1]} were issued alike; "
            f"that of {sessions[-1]} is replayed",
            f"flows: [{dependency.rule}], or {keep}" if dependency.rule else keep,
        )

    def _left_out(self, dependency: Dependency) -> Report:
        number, index = dependency.node
        producer, session = self.scripts[number].steps[index].name, self.analyses[number].session
        via, text = dependency.consumer.field.via, shown(dependency.consumer.text)
        return Report(
            "unmatched",
            f"{via} is {text}, issued by {producer} in session {session}; to replay that takes more than {self.most} "
            "exchanges of other sessions, so it is not borrowed",
            f"keep: [{text}] if it exists before the run, else flows: [{{from: ..., to: {via}}}]",
        )

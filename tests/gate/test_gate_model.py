"""The gate against a model of few words that tries everything, on random histories of deployments and publications.

The model knows no windows and no newest runs. It has a set of atoms (service, version) for every state, and asks of
each run, and of each later one, whether it objects.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.gate.made_evidence import NOW, sides
from verifier.gate.decide import Question, decide
from verifier.gate.model import Build, Deployment, Evidence, Member, RunVersion, State, live

SERVICES = ("a", "b", "c")
VERSIONS = ("1", "2", "3")
DIGESTS = st.sampled_from(["", "", "x", "y"])
SERVICE, VERSION = st.sampled_from(SERVICES), st.sampled_from(VERSIONS)
BUILD = st.builds(Build, VERSION, DIGESTS)


@st.composite
def members(draw: st.DrawFn) -> tuple[Member, ...]:
    found = []
    for service in draw(st.lists(SERVICE, min_size=1, unique=True)):
        old = draw(VERSION)
        new = draw(VERSION) if draw(st.booleans()) else old
        contracts = st.sampled_from(["", "k"])
        versions = {
            name: RunVersion(name, tuple(filter(None, [draw(DIGESTS)])), draw(contracts)) for name in {old, new}
        }
        found.append(Member(service, versions[old], versions[new]))
    return tuple(found)


@st.composite
def mixture(draw: st.DrawFn, of: tuple[Member, ...]) -> dict[str, str]:
    choices = {
        member.service: {member.old.name, member.new.name, " ".join(sorted({member.old.name, member.new.name}))}
        for member in of
    }
    return {service: draw(st.sampled_from(sorted(names))) for service, names in choices.items()}


@st.composite
def runs(draw: st.DrawFn) -> Evidence:
    of = draw(members())
    states = []
    for _ in range(draw(st.integers(0, 5))):
        verdict = draw(st.sampled_from(["pass", "pass", "pass", "fail", "unknown"]))
        migrated = tuple(sorted(draw(st.sets(st.sampled_from([member.service for member in of]), max_size=1))))
        origin = draw(st.none() | mixture(of))
        direction = "forward" if origin is None else "back"
        came = () if origin is None else sides(**origin)
        states.append(State(direction, sides(**draw(mixture(of))), migrated, verdict, ("s",), (), came))  # type: ignore[arg-type]
    names = st.sets(st.sampled_from([member.service for member in of]), max_size=1)
    return Evidence(
        run=str(draw(st.integers())), pair="", matrix=draw(st.sampled_from("mn")), runtime="", tool="", directory="",
        at=NOW - draw(st.sampled_from([1.0, 2.0, 3.0, 50.0])), verdict="pass", members=of, states=tuple(states),
        contracted=tuple(draw(names)),
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> Question:
    return Question(
        draw(st.dictionaries(SERVICE, BUILD, min_size=1, max_size=2)),
        back=draw(st.booleans()),
        overlap=draw(st.sampled_from([True, True, False])),
        max_age=draw(st.sampled_from([None, 10.0])),
        together=draw(st.booleans()),
        by_contract=draw(st.booleans()),
        apart=draw(st.sets(SERVICE, max_size=1).map(frozenset)),
        before_contract=draw(st.booleans()),
    )


@st.composite
def fitting(draw: st.DrawFn) -> tuple[Question, list[Deployment], list[Evidence]]:
    """A question, with what is live and what was run about it: else almost everything is unknown for lack of a run."""
    question, log = draw(questions()), draw(st.lists(deployments(), max_size=4))
    there = live(log)
    found = draw(st.lists(runs(), max_size=2))
    for _ in range(draw(st.integers(0, 3))):
        found.append(_about(draw, question, there))
    return question, log, draw(st.permutations(found))


def deployments() -> st.SearchStrategy[Deployment]:
    stages = st.sampled_from(["started", "finished", "finished", "removed"])
    return st.builds(Deployment, st.just("p"), SERVICE, BUILD, stages, st.just(0.0))


def _about(draw: st.DrawFn, question: Question, there: dict[str, tuple[Build, ...]]) -> Evidence:
    of, during, after, before = [], {}, {}, {}
    for service in {*question.targets, *draw(st.sets(st.sampled_from(sorted({*there, *question.targets}))))}:
        names = [build.version for build in there.get(service, ())]
        target = question.targets.get(service)
        old = names[0] if names else target.version if target else "1"
        new = target.version if target else names[-1]
        if question.back:
            old, new = new, old
        of.append(Member(service, RunVersion(old), RunVersion(new)))
        alone = target.version if target else " ".join(sorted({old, new}))
        during[service], after[service] = " ".join(sorted({old, new})), alone
        before[service] = " ".join(sorted({old, new} & set(names))) or alone
    verdict = st.sampled_from(["pass", "pass", "pass", "fail", "unknown"])
    states = [
        State("forward", sides(**during), (), draw(verdict), ("s",)),
        State("forward", sides(**after), (), draw(verdict), ("s",)),
        State("back", sides(**after), (), draw(verdict), ("s",), (), sides(**before)),
    ]
    at = NOW - draw(st.sampled_from([1.0, 2.0, 3.0, 50.0]))
    return Evidence("r", "", draw(st.sampled_from("mn")), "", "", "", at, "pass", tuple(of), tuple(states))


# --- the model ---


def alike(name: str, digest: str, build: Build) -> bool:
    return name == build.version and (digest == build.digest or "" in (digest, build.digest))


def running(log: list[Deployment]) -> set[tuple[str, Build]]:
    """Whatever has no later entry that ends it, taken from the end of the log."""
    found: set[tuple[str, Build]] = set()
    for at, entry in enumerate(log):
        if entry.stage == "removed":
            continue
        later = [other for other in log[at + 1 :] if other.service == entry.service]
        ended = any(
            other.stage == "finished" or alike(entry.build.version, entry.build.digest, other.build) for other in later
        )
        if not ended:
            found.add((entry.service, _remembered(log[: at + 1])))
    return found


def _remembered(log: list[Deployment]) -> Build:
    """A build that is started again without a digest keeps that of the one that runs."""
    entry, before = log[-1], running(log[:-1])
    if entry.stage == "started" and not entry.build.digest:
        for service, build in sorted(before):
            if service == entry.service and build.version == entry.build.version and build.digest:
                return build
    return entry.build


class Model:
    def __init__(self, question: Question, log: list[Deployment], published: list[Evidence]) -> None:
        self.question, self.published = question, published
        self.there = {
            (service, build)
            for service, build in running(log)
            if service in question.targets or service not in question.apart
        }

    def stays(self) -> set[tuple[str, Build]]:
        return {entry for entry in self.there if entry[0] not in self.question.targets}

    def replaced(self) -> set[tuple[str, Build]]:
        targets = self.question.targets
        return {
            (service, build)
            for service, build in self.there
            if service in targets and not alike(build.version, build.digest, targets[service])
        }

    def reply(self) -> str:
        goal = set(self.question.targets.items())
        after = self.stays() | goal
        during = after | self.replaced() if self.question.overlap else after
        path = after | self.replaced()
        words = [(entry, self.word(entry, during, after, path)) for entry in self.published]
        last = [
            (entry, word)
            for at, (entry, word) in enumerate(words)
            if word in ("pass", "fail") and not any(
                later in ("pass", "fail") and self.subject(other) == self.subject(entry)
                and (other.at, place) > (entry.at, at)
                for place, (other, later) in enumerate(words)
            )
        ]  # fmt: skip
        if any(word == "fail" for _, word in last):
            return "no"
        counts = Counter((service, build.version) for service, build in during)
        kinds = Counter(service for service, _ in during)
        if any(
            counts[service, build.version] > 1 or kinds[service] > 2
            for service, build in during
            if service in self.question.targets
        ):
            return "unknown"
        fresh = [
            {member.service for member in entry.members}
            for entry, word in last
            if word == "pass" and (self.question.max_age is None or NOW - entry.at <= self.question.max_age)
        ]
        every = {service for service, _ in during}
        wanted = [
            {target, *group}
            for target in self.question.targets
            for group in ([every] if self.question.together or len(every) == 1 else [{one} for one in every - {target}])
        ]
        return "yes" if all(any(need <= seen for seen in fresh) for need in wanted) else "unknown"

    @staticmethod
    def subject(entry: Evidence) -> object:
        return entry.matrix, frozenset(
            (m.service, m.old.name, m.old.digests, m.new.name, m.new.digests) for m in entry.members
        )

    def fits(self, entry: Evidence, service: str, name: str, build: Build) -> bool:
        version = next(
            version for member in entry.members if member.service == service
            for version in (member.new, member.old) if version.name == name
        )  # fmt: skip
        if alike(name, "".join(version.digests), build):
            return True
        if not self.question.by_contract or service in self.question.targets:
            return False
        known = {
            version.contract
            for other in self.published for member in other.members if member.service == service
            for version in (member.old, member.new) if version.name == build.version
        }  # fmt: skip
        return known == {version.contract} and version.contract != ""

    def word(  # noqa: C901 - it tries everything in one place
        self, entry: Evidence, during: object, after: object, path: set[tuple[str, Build]]
    ) -> str:
        question, back = self.question, self.question.back
        meant = {member.service for member in entry.members} - (question.apart - question.targets.keys())
        of = {member.service: member for member in entry.members if member.service in meant}
        if not of.keys() & question.targets.keys() or not of.keys() <= {service for service, _ in path}:
            return "nothing"
        for service in of.keys() & question.targets.keys():
            end, begin = (of[service].old, of[service].new) if back else (of[service].new, of[service].old)
            gone = [build for name, build in self.replaced() if name == service]
            if not alike(end.name, "".join(end.digests), question.targets[service]):
                return "nothing"
            if gone and not any(alike(begin.name, "".join(begin.digests), build) for build in gone):
                return "nothing"

        def atoms(told: object) -> set[tuple[str, str]]:
            return {(service, name) for service, names in told if service in of for name in names}  # type: ignore[attr-defined]

        def allowed(service: str, name: str) -> bool:
            return any(self.fits(entry, service, name, build) for other, build in path if other == service)

        def inside(state: State) -> bool:
            for told in (atoms(state.mixture), atoms(state.origin)):
                crowds = Counter(service for service, _ in told)
                if not question.overlap and any(crowds[service] > 1 for service in question.targets):
                    return False
                if not all(allowed(service, name) for service, name in told):
                    return False
            return all(allowed(service, of[service].new.name) for service in state.migrated if service in of)

        def exactly(told: object, builds: object) -> bool:
            have, want = atoms(told), {entry for entry in builds if entry[0] in of}  # type: ignore[attr-defined]
            sizes = Counter(service for service, _ in have) == Counter(service for service, _ in want)
            return sizes and all(
                any(self.fits(entry, s, name, build) for s, name in have if s == service) for service, build in want
            )

        states = [s for s in entry.states if s.direction == ("back" if back else "forward") and inside(s)]
        if any(state.verdict == "fail" for state in states):
            return "fail"
        if any(state.verdict == "unknown" for state in states):
            return "nothing"
        if back:
            gone_for_good = [
                service for service in entry.contracted
                if service in question.targets
                and not any(s == service and alike(b.version, b.digest, question.targets[s]) for s, b in self.there)
            ]  # fmt: skip
            if gone_for_good and not question.before_contract:
                return "nothing"
            return (
                "pass"
                if any(exactly(s.origin, self.there) and exactly(s.mixture, after) for s in states)
                else "nothing"
            )
        return "pass" if all(any(exactly(s.mixture, want) for s in states) for want in (during, after)) else "nothing"


SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.slow
@settings(SETTINGS, max_examples=600)
@given(fitting())
def test_the_gate_answers_as_the_model(case: tuple[Question, list[Deployment], list[Evidence]]) -> None:
    question, log, published = case
    expected = Model(question, log, published).reply()
    event(expected)
    decision = decide(question, live(log), published, NOW)
    assert decision.reply == expected, (question, log, published, decision)


@settings(SETTINGS, max_examples=300)
@given(fitting(), st.data())
def test_a_yes_needs_evidence_and_a_failure_added_to_it_is_never_outvoted(
    case: tuple[Question, list[Deployment], list[Evidence]], data: st.DataObject
) -> None:
    question, log, published = case
    there = live(log)
    assert decide(question, there, [], NOW).reply == "unknown"
    if decide(question, there, published, NOW).reply == "no":
        more = data.draw(st.lists(runs(), max_size=2))
        late = [entry for entry in more if all(entry.subject != one.subject for one in published)]
        if not question.by_contract:  # another contract of a version may take a bridge away
            assert decide(question, there, [*published, *late], NOW).reply == "no"


def test_the_model_and_the_gate_know_the_same_live_builds() -> None:
    stages, builds = ("started", "finished", "removed"), (Build("1"), Build("1", "x"), Build("2"))
    entries = [Deployment("p", "a", build, stage, 0.0) for stage, build in product(stages, builds)]  # type: ignore[arg-type]
    for first, second, third in product(entries, repeat=3):
        log = [first, second, third]
        assert {("a", build) for build in live(log).get("a", ())} == running(log), log

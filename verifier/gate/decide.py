"""The rule that decides whether a build may be deployed. It is a pure function of values.

**Principle.** Whatever will run side by side must have been rehearsed side by side, and nothing else counts.

1. *The window.* From the start of a deployment to its recorded end, a service runs every build that is live and the one
   that is deployed. The other services run what is live of them, which is more than one build while a deployment of
   theirs is under way. Afterwards the deployed service runs the new build alone.
2. *What a run may say.* A run speaks only through states that are part of the window: all of its services are live
   there, with no other builds (by digest where both sides know one). A state with any other version in it is no
   evidence, neither for nor against. The run must have changed the deployed service from a live version to the
   deployed one. Going back is a question of its own. There, only states after a rollback from a part of the window
   count, because what fails on the way forward is the reason for going back and not an objection to it.
3. *Pass.* A run passes if it was in the whole window, as far as its services go, and in what follows it, and if
   none of its states that are part of the window failed or is unknown. Such a run speaks for each pair of its
   services. The answer is yes (0) if each deployed service has such a run with each other live service. One run need
   not contain all of them, unless `together` is asked for. A pass expires after `max_age`. Going back, a run must have
   gone from exactly what is live to exactly what will be. A deployment that has finished may have run its last
   migrations (contract), after which no run goes back, unless `before_contract` says that it has not.
4. *Fail.* A run fails if a state that is part of the window failed. One such run is enough for a no (1), however many
   others pass and however old it is.
5. *Newer.* A run takes the place of older runs of the same matrix with the same versions and builds, if it passes or
   fails. An unknown run takes no place: it says nothing.
6. *Anything else is unknown (3)*. No evidence is never a yes.

`by_contract` weakens the second point: beside the deployed services, another version counts as the live one if both
have the same contract and guarantees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from verifier.checks.verdict import Verdict
from verifier.gate.model import Build, Direction, Evidence, Live, Member, State
from verifier.gate.window import Contracts, Window, window_of

Reply = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Question:
    """May these builds be deployed at the same time? `max_age` is in seconds; None: a pass does not expire.

    `back`: it is a rollback. `before_contract`: the last migrations of what is live have not run. `overlap`: old and
    new run side by side meanwhile. `apart` are services that are said to have nothing to do with the deployed ones.
    """

    targets: Mapping[str, Build]
    back: bool = False
    overlap: bool = True
    max_age: float | None = None
    together: bool = False
    by_contract: bool = False
    apart: frozenset[str] = frozenset()
    before_contract: bool = False

    def counts(self, service: str) -> bool:
        """Whether a service has to do with the deployment; what is deployed does in any case."""
        return service in self.targets or service not in self.apart

    @property
    def direction(self) -> Direction:
        return "back" if self.back else "forward"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one run says about a question. `covers` are its services; `why` is a reason for unknown, else ""."""

    evidence: Evidence
    verdict: Verdict
    covers: frozenset[str]
    why: str = ""
    against: tuple[State, ...] = ()  # the states that failed
    bridges: tuple[str, ...] = ()  # versions that stand for others with the same contract
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Needed:
    """A deployed service and the others with which it must have been seen; the runs that show it, the newest first."""

    service: str
    others: tuple[str, ...]
    shown_by: tuple[Heard, ...]
    not_shown: tuple[str, ...] = ()  # why other runs do not show it


@dataclass(frozen=True, slots=True)
class Decision:
    reply: Reply
    window: Live
    after: Live
    needed: tuple[Needed, ...]
    against: tuple[Heard, ...]
    problems: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> tuple[Needed, ...]:
        return tuple(need for need in self.needed if not need.shown_by)


def decide(question: Question, live: Live, evidence: Iterable[Evidence], now: float) -> Decision:
    """The decision, with everything that it rests on. `evidence` is in the order of publication; `now` is Unix time."""
    every = tuple(evidence)
    contracts = Contracts.of(every) if question.by_contract else Contracts()
    window = window_of(question.targets, live, question.overlap, question.apart)
    heard = [_heard(question, window, contracts, entry, now) for entry in every]
    counting = list(_newest(entry for entry in heard if entry.verdict != "unknown"))
    against = tuple(entry for entry in counting if entry.verdict == "fail")
    passing = [entry for entry in counting if entry.verdict == "pass"]
    silent = [entry for entry in heard if entry.verdict == "unknown"]
    needed = tuple(_needed(question, window, passing, silent))
    shown = bool(needed) and all(need.shown_by for need in needed)
    reply: Reply = "no" if against else "yes" if shown and not window.problems else "unknown"
    return Decision(reply, window.during, window.after, needed, against, window.problems)


def _newest(heard: Iterable[Heard]) -> Iterator[Heard]:
    """The last word of each subject, the newest first."""
    last: dict[object, tuple[float, int, Heard]] = {}
    for place, entry in enumerate(heard):
        subject, this = entry.evidence.subject, (entry.evidence.at, place, entry)
        if subject not in last or last[subject][:2] < this[:2]:
            last[subject] = this
    return (entry for _, _, entry in sorted(last.values(), key=lambda item: item[:2], reverse=True))


def _needed(question: Question, window: Window, passing: Sequence[Heard], silent: Sequence[Heard]) -> Iterator[Needed]:
    for service in question.targets:
        others = tuple(sorted(set(window.during) - {service}))
        groups = [others] if question.together or not others else [(other,) for other in others]
        for group in groups:
            wanted = {service, *group}
            shown = tuple(entry for entry in passing if wanted <= entry.covers and not entry.expired)
            old = (entry for entry in passing if wanted <= entry.covers and entry.expired)
            reasons = [f"{entry.evidence} is older than allowed" for entry in old]
            reasons += [f"{entry.evidence}: {entry.why}" for entry in reversed(silent) if service in entry.covers]
            yield Needed(service, group, shown, () if shown else tuple(dict.fromkeys(reasons)))


def _heard(question: Question, window: Window, contracts: Contracts, evidence: Evidence, now: float) -> Heard:
    """What one run says: through its states that are part of the window and nothing else."""
    members = {member.service: member for member in evidence.members if question.counts(member.service)}
    covers = frozenset(members)
    if why := _foreign(question, window, members):
        return Heard(evidence, "unknown", covers, why)
    bridges: dict[str, None] = {}
    relevant = []
    for state in evidence.states:
        if state.direction == question.direction:
            inside, crossed = window.holds(state, members, contracts)
            if inside:
                relevant.append(state)
                bridges.update(dict.fromkeys(crossed))
    against = tuple(state for state in relevant if state.verdict == "fail")
    if against:
        return Heard(evidence, "fail", covers, "", against, tuple(bridges))
    if why := _incomplete(question, window, relevant, members, contracts, evidence):
        return Heard(evidence, "unknown", covers, why)
    expired = question.max_age is not None and now - evidence.at > question.max_age
    return Heard(evidence, "pass", covers, bridges=tuple(bridges), expired=expired)


def _foreign(question: Question, window: Window, members: Mapping[str, Member]) -> str:
    """Why a run is about something else; "" if it is about this deployment."""
    if not set(question.targets) & set(members):
        return "it has none of the deployed services"
    for service, member in members.items():
        if service not in window.during:
            return f"it has {service}, of which nothing is recorded as live"
        if service not in question.targets:
            continue
        target, before = question.targets[service], window.before(service)
        goal, origin = (member.old, member.new) if question.back else (member.new, member.old)
        if not goal.is_build(target):
            return f"it does not end with {service} {target}"
        if before and not any(origin.is_build(build) for build in before):
            return f"it does not begin with {service} {' or '.join(map(str, before))}"
    return ""


def _incomplete(
    question: Question,
    window: Window,
    states: Sequence[State],
    members: Mapping[str, Member],
    contracts: Contracts,
    evidence: Evidence,
) -> str:
    """Why a run without a failure is no pass; "" if it is one."""
    for state in states:
        if state.verdict == "unknown":
            reason = state.causes or evidence.unknowns
            return reason[0] if reason else f"{state.steps[0]} is unknown"
    if question.back:
        went = (
            window.is_whole(state.origin, members, contracts, window.live)
            and window.is_whole(state.mixture, members, contracts, window.after)
            for state in states
        )
        if behind := _point_of_no_return(question, window, evidence):
            return behind
        begin, end = _told(window.live, members), _told(window.after, members)
        halfway = any(len(window.live.get(service, ())) > 1 for service in question.targets)
        hint = " (`rollout.rollback: every-state` rehearses that)" if halfway else ""
        return "" if any(went) else f"it never went back from {begin} to {end}{hint}"
    for wanted in (window.during, window.after):
        if not any(window.is_whole(state.mixture, members, contracts, wanted) for state in states):
            return f"it never had {_told(wanted, members)} side by side{_hint(window, evidence)}"
    return ""


def _point_of_no_return(question: Question, window: Window, evidence: Evidence) -> str:
    """Why a rehearsed rollback is none from here: once a deployment has finished, its last migrations may have run."""
    behind = [
        service
        for service in evidence.contracted
        if service in question.targets and not any(map(question.targets[service].is_same, window.live.get(service, ())))
    ]
    if not behind or question.before_contract:
        return ""
    return f"it went back only before the contract migrations of {' and '.join(behind)} (see --before-contract)"


def _hint(window: Window, evidence: Evidence) -> str:
    """A service with one replica runs one version at a time in a rehearsal that puts no new one beside it."""
    alone = [
        service
        for service in window.targets
        if len(window.during[service]) > 1
        and not any(
            name == service and len(versions) > 1 for state in evidence.states for name, versions in state.mixture
        )
    ]
    return f" (it needs two replicas of {' and '.join(alone)} for that)" if alone else ""


def _told(builds: Live, members: Iterable[str]) -> str:
    return ", ".join(f"{service} {' + '.join(map(str, builds.get(service, ())))}" for service in sorted(members))

"""The operation ledger: what happened to each operation, which versions touched it, its effects, what is safe now.

The ledger is a pure function of a history. The expected number of effects is learned, not declared: it is the number
that the same exchange of the same session had without a fault, in a control run if there is one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from verifier.history.model import History, Operation
from verifier.history.outcome import SAFE
from verifier.report.evidence import answer

Happened = Literal["done once", "doubled", "missing", "did not happen", "not finished", "may have happened", "answered"]
Place = tuple[str, int]  # session, index of the exchange
Target = tuple[str, str]  # partner, its operation
QUIET = frozenset({"done once", "answered"})


@dataclass(frozen=True, slots=True)
class EffectCount:
    """Effects of one kind at one partner. `expected` is None if no undisturbed operation shows it."""

    partner: str
    operation: str
    applied: int
    suppressed: int
    expected: int | None

    @property
    def doubled(self) -> int:
        return max(0, self.applied - self.expected) if self.expected is not None else 0

    @property
    def missing(self) -> int:
        return max(0, self.expected - self.applied) if self.expected is not None else 0


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One client operation with all its attempts. `touched` lists service versions in order of contact."""

    operation: str  # id of the first attempt
    step: str
    name: str
    service: str
    request: str
    write: bool
    fault: str  # "" if no fault was injected
    attempts: tuple[str, ...]  # ids
    answers: tuple[str, ...]  # what the caller of each attempt saw, such as "202 accepted" or "lost, info"
    touched: tuple[tuple[str, str], ...]
    effects: tuple[EffectCount, ...]
    happened: Happened
    safe_now: str


def ledger(history: History) -> tuple[LedgerEntry, ...]:
    """The client operations in the order in which they began. Takes time linear in the number of operations.

    An entry includes the retries, duplicates, polls, inner calls and effects of its operation.
    """
    roots = _roots(history.operations)
    groups: dict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        groups[roots[operation.id]].append(operation)
    by_id = {operation.id: operation for operation in history.operations}
    clients = {
        root: members
        for root, members in groups.items()
        if root in by_id and by_id[root].source in ("replay", "live") and by_id[root].index >= 0
    }
    usual = _usual(history, by_id, clients)
    unended = {end.operation for end in history.ends if end.how != "ended" and not end.late}
    entries = [_entry(by_id[root], members, usual, unended) for root, members in clients.items()]
    return tuple(sorted(entries, key=lambda entry: (by_id[entry.operation].started, entry.operation)))


def noteworthy(entries: Iterable[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Operations with a fault, and operations without one whose effects differ from what is expected."""
    return tuple(
        entry for entry in entries if entry.fault or any(effect.doubled or effect.missing for effect in entry.effects)
    )


def _roots(operations: Iterable[Operation]) -> dict[str, str]:
    """For each operation, the client operation that it belongs to: itself, or the top of its chain of parents.

    A read-back happens later and belongs to no other operation.
    """
    parents = {entry.id: entry.parent if entry.source != "sweep" else "" for entry in operations}
    found: dict[str, str] = {}
    for start in parents:
        chain = [start]
        while chain[-1] not in found and parents.get(chain[-1]) and parents[chain[-1]] not in chain:
            chain.append(parents[chain[-1]])
        top = found.get(chain[-1], chain[-1])
        found.update(dict.fromkeys(chain, top))
    return found


def _usual(
    history: History, by_id: Mapping[str, Operation], clients: Mapping[str, list[Operation]]
) -> dict[Place, dict[Target, int]]:
    """How often each effect happens for an undisturbed exchange: the most frequent count, of controls if there are.

    An effect that undisturbed exchanges of a place do not have is usual zero times there.
    """
    controls = {step.id for step in history.steps if step.phase == "control-old"}
    counts: dict[bool, dict[Place, list[Counter[Target]]]] = {True: defaultdict(list), False: defaultdict(list)}
    for root, members in clients.items():
        operation = by_id[root]
        if operation.response is not None and not any(member.fault for member in members):
            applied = Counter((entry.service, entry.name) for entry in members if entry.effect == "applied")
            counts[operation.step in controls][operation.session, operation.index].append(applied)
    targets = {(entry.service, entry.name) for entry in history.operations if entry.effect}
    found: dict[Place, dict[Target, int]] = defaultdict(dict)
    for place in {*counts[True], *counts[False]}:
        seen = counts[True].get(place) or counts[False][place]
        for target in targets:
            tally = Counter(applied[target] for applied in seen)
            found[place][target] = min(tally, key=lambda number: (-tally[number], number))
    return found


def _entry(
    root: Operation, members: list[Operation], usual: Mapping[Place, Mapping[Target, int]], unended: set[str]
) -> LedgerEntry:
    members = sorted(members, key=lambda entry: entry.started)
    attempts = [entry for entry in members if entry.source in ("replay", "live")]
    effects = _effects(root, members, usual)
    happened = _happened(attempts, effects, any(entry.id in unended for entry in members))
    touched = dict.fromkeys((entry.service, entry.version) for entry in members if entry.version and entry.response)
    return LedgerEntry(
        operation=root.id,
        step=root.step,
        name=root.name,
        service=root.service,
        request=f"{root.request.method} {root.request.target}",
        write=root.request.method not in SAFE,
        fault=next((entry.fault for entry in members if entry.fault), ""),
        attempts=tuple(entry.id for entry in attempts),
        answers=tuple(answer(entry) for entry in attempts),
        touched=tuple(touched),
        effects=effects,
        happened=happened,
        safe_now=_safe_now(happened, effects),
    )


def _effects(
    root: Operation, members: list[Operation], usual: Mapping[Place, Mapping[Target, int]]
) -> tuple[EffectCount, ...]:
    here = usual.get((root.session, root.index), {})
    seen = Counter((entry.service, entry.name, entry.effect) for entry in members if entry.effect)
    targets = dict.fromkeys((service, name) for service, name, _ in seen)
    targets |= dict.fromkeys(target for target, number in here.items() if number)
    return tuple(
        EffectCount(*target, seen[*target, "applied"], seen[*target, "suppressed"], here.get(target))
        for target in sorted(targets)
    )


def _happened(attempts: list[Operation], effects: tuple[EffectCount, ...], unended: bool) -> Happened:
    outcomes = {entry.outcome for entry in attempts}
    if any(effect.doubled for effect in effects):
        return "doubled"
    if outcomes == {"fail"} and not any(effect.applied for effect in effects):
        return "did not happen"
    if unended:
        return "not finished"
    missing = any(effect.missing for effect in effects)
    if missing and outcomes & {"ok", "accepted"}:
        return "missing"
    if effects and not missing:
        return "done once"
    return "answered" if outcomes & {"ok", "accepted"} else "may have happened"


def _safe_now(happened: Happened, effects: tuple[EffectCount, ...]) -> str:
    """What an operator can safely do next."""
    surplus = ", ".join(
        f"{effect.doubled} × {effect.partner}.{effect.operation}" for effect in effects if effect.doubled
    )
    owed = ", ".join(f"{effect.missing} × {effect.partner}.{effect.operation}" for effect in effects if effect.missing)
    suppressed = any(effect.suppressed for effect in effects)
    return {
        "doubled": f"Do not retry; reverse {surplus}.",
        "missing": f"Reported as done, but {owed} is missing. Find out why before a retry.",
        "did not happen": "Safe to retry.",
        "not finished": "Read its state until it is final; a retry may double it.",
        "may have happened": "Read its state first; a retry is safe only with the same key.",
        "done once": "Nothing to do." + (" The duplicate was recognised." if suppressed else ""),
        "answered": "Nothing to do. No countable effect happened twice.",
    }[happened]

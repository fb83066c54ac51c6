"""Finds upgrade orders in which no incompatible versions run together, or what to expand first if there is none.

While a service is being upgraded, both of its versions are live. A conflict is a pair of versions that must never be
live together. The search walks the lattice of upgraded sets, which has 2^k states for k services.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from verifier.contracts.verdicts import Column, Comparison, ContractDifference

Side = Literal["old", "new"]
MEETING: dict[Column, tuple[Side, Side]] = {
    "request_old_to_new": ("old", "new"),
    "response_new_to_old": ("old", "new"),
    "request_new_to_old": ("new", "old"),
    "response_old_to_new": ("new", "old"),
}
_ORDERS = 1000
_SETS = 2_000


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """Two versions that must not run together. `change` names the change in the contract that causes the conflict.

    Caller and callee may be one service whose versions cannot share their data.
    """

    caller: str
    caller_side: Side
    callee: str
    callee_side: Side
    change: str


@dataclass(frozen=True, slots=True)
class Move:
    """One release of an expand/contract sequence (Fowler, ParallelChange)."""

    kind: Literal["expand", "upgrade", "contract"]
    service: str
    what: str


@dataclass(frozen=True, slots=True)
class Order:
    """`orders` are all safe orders in lexical order, up to a limit; `count` is their true number.

    If there is none, `in_the_way` is a smallest set of changes without which there would be one (`smallest` is false
    if the search was cut short), and `sequence` removes them. `known` is false if the services call each other by
    interfaces that no contract describes. Then the orders are safe only for want of knowledge.
    """

    orders: tuple[tuple[str, ...], ...]
    count: int
    in_the_way: tuple[str, ...] = ()
    sequence: tuple[Move, ...] = ()
    smallest: bool = True
    known: bool = True


def conflicts(caller: str, callee: str, comparison: Comparison) -> tuple[Conflict, ...]:
    """The conflicts between a callee and its caller, from a comparison of the two contracts of the callee.

    A caller at its old version was built for the callee's old contract, at its new version for the new one.
    """
    found: dict[Conflict, None] = {}
    for item in comparison.findings:
        if item.verdict in ("breaking", "unknown"):
            left, right = MEETING[item.column]
            conflict = Conflict(caller, left, callee, right, change_of(callee, item))
            found[conflict] = None
    return tuple(found)


def change_of(service: str, finding: ContractDifference) -> str:
    """The name of a change: service, operation, part and rule. Both directions of a change share it."""
    return " ".join(part for part in (service, finding.operation, finding.part, finding.rule) if part)


def safe_orders(services: Iterable[str], pairs: Iterable[Conflict]) -> Order:
    """All safe orders of the services, or the reason why there is none.

    Raises ValueError for a conflict of a service that is not among `services`.
    """
    names = tuple(sorted(set(services)))
    known = tuple(sorted(set(pairs)))
    for pair in known:
        if pair.caller not in names or pair.callee not in names:
            raise ValueError(f"{pair.caller} or {pair.callee} is not among the services")
    count = _count(names, known)
    if count:
        return Order(tuple(_walk(names, known)), count)
    changes, smallest = _in_the_way(names, known)
    return Order((), 0, changes, _sequence(names, known, changes), smallest)


def _live(service: str, upgraded: frozenset[str], moving: str) -> tuple[Side, ...]:
    if service == moving:
        return ("old", "new")
    return ("new",) if service in upgraded else ("old",)


def allowed(upgraded: frozenset[str], moving: str, pairs: Iterable[Conflict]) -> bool:
    """Whether `moving` can be upgraded when exactly `upgraded` are already at their new versions."""
    return not any(
        pair.caller_side in _live(pair.caller, upgraded, moving)
        and pair.callee_side in _live(pair.callee, upgraded, moving)
        for pair in pairs
    )


def _count(names: tuple[str, ...], pairs: tuple[Conflict, ...]) -> int:
    """The number of safe orders: paths through the lattice, counted level by level."""
    level: dict[frozenset[str], int] = {frozenset(): 1}
    for _ in names:
        following: dict[frozenset[str], int] = {}
        for upgraded, ways in level.items():
            for name in names:
                if name not in upgraded and allowed(upgraded, name, pairs):
                    key = upgraded | {name}
                    following[key] = following.get(key, 0) + ways
        level = following
    return level.get(frozenset(names), 0)


def _walk(names: tuple[str, ...], pairs: tuple[Conflict, ...]) -> list[tuple[str, ...]]:
    """Safe orders in lexical order, at most a fixed number of them."""
    dead: set[frozenset[str]] = set()
    found: list[tuple[str, ...]] = []

    def walk(order: tuple[str, ...]) -> bool:
        upgraded = frozenset(order)
        if len(order) == len(names):
            found.append(order)
            return True
        if upgraded in dead:
            return False
        alive = False
        for name in names:
            if len(found) < _ORDERS and name not in upgraded and allowed(upgraded, name, pairs):
                alive = walk((*order, name)) or alive
        if not alive and len(found) < _ORDERS:
            dead.add(upgraded)
        return alive

    walk(())
    return found


def _in_the_way(names: tuple[str, ...], pairs: tuple[Conflict, ...]) -> tuple[tuple[str, ...], bool]:
    """A smallest set of changes without which an order exists; beyond a limit, a set that is found greedily."""
    changes = sorted({pair.change for pair in pairs})
    tried = 0
    for size in range(1, len(changes) + 1):
        for chosen in combinations(changes, size):
            tried += 1
            if tried > _SETS:
                return _greedy(names, pairs, changes), False
            if _count(names, tuple(pair for pair in pairs if pair.change not in chosen)):
                return chosen, True
    return tuple(changes), True


def _greedy(names: tuple[str, ...], pairs: tuple[Conflict, ...], changes: list[str]) -> tuple[str, ...]:
    chosen = list(changes)
    for change in changes:
        rest = [item for item in chosen if item != change]
        if _count(names, tuple(pair for pair in pairs if pair.change not in rest)):
            chosen = rest
    return tuple(chosen)


def _sequence(names: tuple[str, ...], pairs: tuple[Conflict, ...], changes: tuple[str, ...]) -> tuple[Move, ...]:
    """Expand each conflicting callee so that it serves both contracts, upgrade in a safe order, then contract."""
    blocked: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.change in changes and pair.change not in blocked.setdefault(pair.callee, []):
            blocked[pair.callee].append(pair.change)
    rest = tuple(pair for pair in pairs if pair.change not in changes)
    order = next(iter(_walk(names, rest)), ())
    return tuple(_moves(blocked, order))


def _moves(blocked: dict[str, list[str]], order: tuple[str, ...]) -> Iterator[Move]:
    for service, changes in sorted(blocked.items()):
        both = f"release a {service} that accepts and sends both the old and the new: {'; '.join(changes)}"
        yield Move("expand", service, both)
    for service in order:
        yield Move("upgrade", service, f"upgrade {service}; its new version relies on the expanded ones")
    for service, changes in sorted(blocked.items()):
        yield Move("contract", service, f"when nothing old is left, drop the old from {service}: {'; '.join(changes)}")

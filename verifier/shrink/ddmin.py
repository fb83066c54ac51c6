"""Delta debugging: the search for a smallest part of an input that still shows a failure.

The algorithm is ddmin (A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE
Transactions on Software Engineering 28(2), 2002), with the tests of one round made together (R. Hodován and Á. Kiss,
Practical Improvements to the Minimizing Delta Debugging Algorithm, ICSOFT-EA 2016). Parts that need each other are kept
together: every candidate is closed under the dependencies, so that no test is wasted on a request whose producer is
missing (G. Misherghi and Z. Su, HDD: Hierarchical Delta Debugging, ICSE 2006, have the same idea for trees).

Pure: the search asks, and whoever runs it answers.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence, Set
from typing import TypeVar

T = TypeVar("T", bound=Hashable)
Needs = Mapping[T, Set[T]]
Search = Generator[list[tuple[T, ...]], int | None, tuple[T, ...]]


def with_needed(items: Set[T], needs: Needs[T]) -> frozenset[T]:
    """The items with all that they need, directly or not."""
    found: set[T] = set()
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if item not in found:
            found.add(item)
            waiting += needs.get(item, ())
    return frozenset(found)


def without(items: Set[T], removed: Set[T], needs: Needs[T]) -> frozenset[T]:
    """The largest closed part of closed items that has none of the removed ones: what needs them goes too."""
    left = set(items) - removed
    while gone := {item for item in left if not needs.get(item, frozenset()) <= left}:
        left -= gone
    return frozenset(left)


def ddmin(
    items: Sequence[T], needs: Needs[T], least: Set[T] = frozenset(), hidden: Iterable[Sequence[T]] = ()
) -> Search[T]:
    """Search for a smallest closed part of `items`, which show the failure together; `least` are never left out.

    `hidden` are parts that are known not to show it.

    A generator. It yields candidates, each a tuple in the order of `items`, the most wanted first. It is sent the
    position of the first one that shows the failure, or None. It returns the smallest part that it found: the removal
    of any one item, with what needs it, hides the failure, as far as the answers told. No candidate is asked for twice.
    """
    current = tuple(items)
    asked: set[frozenset[T]] = {frozenset(current), *map(frozenset, hidden)}
    parts = 2
    while len(current) > 1:
        parts = min(parts, len(current))
        found = yield from _round(current, parts, needs, least, asked)
        if found is not None:
            smaller, subset = found
            parts = 2 if subset else max(parts - 1, 2)
            current = smaller
        elif parts == len(current):
            break
        else:
            parts = 2 * parts
    return current


def _round(
    current: tuple[T, ...], parts: int, needs: Needs[T], least: Set[T], asked: set[frozenset[T]]
) -> Generator[list[tuple[T, ...]], int | None, tuple[tuple[T, ...], bool] | None]:
    """Ask for the parts and their complements at one granularity: what shows the failure, and if it is a part."""
    whole = frozenset(current)
    cut = [frozenset(current[len(current) * at // parts : len(current) * (at + 1) // parts]) for at in range(parts)]
    offered = [(with_needed(part | least, needs) & whole, True) for part in cut]
    offered += [(without(whole, part - least, needs), False) for part in cut]
    candidates: list[tuple[tuple[T, ...], bool]] = []
    for chosen, subset in offered:
        if least <= chosen < whole and chosen and chosen not in asked:
            asked.add(chosen)
            candidates.append((tuple(item for item in current if item in chosen), subset))
    if not candidates:
        return None
    candidates.sort(key=lambda entry: len(entry[0]))
    at = yield [entry for entry, _ in candidates]
    return None if at is None else candidates[at]

"""Which of an answer's places a value in a request comes from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from verifier.correlation.analysis.decisions import Use
from verifier.correlation.analysis.sources import Source
from verifier.correlation.text.classes import is_short_id
from verifier.correlation.text.names import RequestPlace, affinity, is_identifier, is_key, names_itself

_MOST_STAND_INS = 4
_MOST_LOOKED_AT = 64


class Sources:
    """All sources of one text, in the order of the exchanges; grouped, for a common text has thousands."""

    __slots__ = ("_groups", "all")

    def __init__(self) -> None:
        self.all: list[Source] = []
        self._groups: dict[tuple[RequestPlace, bool], list[Source]] = {}

    def add(self, source: Source) -> None:
        self.all.append(source)
        self._groups.setdefault((source.place, source.depth > 0), []).append(source)

    @property
    def first(self) -> int:
        """The exchange of the first."""
        return self.all[0].index

    def near(self, text: str, place: RequestPlace, strong: bool) -> Iterator[tuple[int, list[Source]]]:
        """The groups that qualify for a use at `place`, with how well the names agree."""
        for (named, inside), group in self._groups.items():
            near = affinity(place, named)
            if strong or _may_follow(text, place, named, near, inside):
                yield near, group


def best(
    sources: Sources, uses: Sequence[Use], index: int, text: str, place: RequestPlace, strong: bool
) -> list[tuple[Source, bool]]:
    """The sources before exchange `index` that qualify, best first, each with whether it is as good as the first.

    `strong` texts qualify by themselves, others by the names of `place` and source. `uses` are all appearances of
    the text in requests.
    """
    if not strong and not is_short_id(text) and uses[0].index <= sources.first:
        return []  # a word that the client used before any answer did is the client's own
    scored = []
    for near, group in sources.near(text, place, strong):
        # The latest of a group are enough to choose from.
        for source in _before(group, index)[-_MOST_LOOKED_AT:]:
            fresh = not echoes(source, uses, strong)
            scored.append(((fresh, not source.locator.listed, near, -source.depth, source.index), source))
    scored.sort(key=lambda item: item[0], reverse=True)
    if not scored or (not strong and not scored[0][0][0]):
        # Where every answer only repeats what its request said, the client knew it first.
        return []
    top = scored[0][0]
    # Two cuts of one text are no two sources: the better one stands for both.
    leaves = {_leaf(source): (score, source) for score, source in reversed(scored)}
    kept = sorted(leaves.values(), key=lambda item: item[0], reverse=True)[:_MOST_STAND_INS]
    return [(source, score[:3] == top[:3]) for score, source in kept]


def _before(group: list[Source], index: int) -> list[Source]:
    return group[: bisect_left(group, index, key=lambda source: source.index)]


def _leaf(source: Source) -> tuple[int, str, str]:
    return source.index, source.locator.expression, source.locator.key


def _may_follow(text: str, place: RequestPlace, source: RequestPlace, near: int, inside: bool) -> bool:
    """Whether a short value may be followed: by the names alone, and a word only where it is a key."""
    if near < 1 or (inside and near < 2):
        return False
    if not is_short_id(text):
        named = is_key(place.name) and names_itself(source.name)
        return named and place.kind != "token" and near >= 2 and len(text) >= 3
    # The same name alone says something only where it is an identifier's: a quantity is no flow.
    by_name = place.kind in ("body", "query") and near != 2
    return not by_name or (is_identifier(place.name) and is_identifier(source.name))


def echoes(source: Source, uses: Sequence[Use], strong: bool) -> bool:
    """Whether the answer's own request carried the value already (in a place that means the same)."""
    start = bisect_left(uses, source.index, key=lambda use: use.index)
    for use in islice(uses, start, None):
        if use.index != source.index:
            break
        if strong or affinity(use.place, source.place) >= 1:
            return True
    return False

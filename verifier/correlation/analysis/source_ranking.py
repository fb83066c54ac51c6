"""Which sources a value in a request may come from, and which of them is the best."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from verifier.correlation.analysis.decisions import Occurrence
from verifier.correlation.analysis.own_values import NOT_VALUES
from verifier.correlation.analysis.sources import Source
from verifier.correlation.text.classes import is_short_id
from verifier.correlation.text.names import (
    MessageField,
    affinity,
    asks_for_the_next_page,
    is_identifier,
    is_key,
    names_itself,
)

_MOST_STAND_INS = 4
_MOST_LOOKED_AT = 64


class Sources:
    """All sources of one text, in the order of the exchanges; grouped, for a common text has thousands."""

    __slots__ = ("_groups", "all")

    def __init__(self) -> None:
        self.all: list[Source] = []
        self._groups: dict[tuple[MessageField, bool], list[Source]] = {}

    def add(self, source: Source) -> None:
        self.all.append(source)
        self._groups.setdefault((source.field, source.depth > 0), []).append(source)

    @property
    def first(self) -> int:
        """The index of the first exchange whose response carries the text."""
        return self.all[0].index

    def qualifying(self, text: str, field: MessageField, distinctive: bool) -> Iterator[tuple[int, list[Source]]]:
        """The groups of sources that may give the text of a request's `field`, with how well the names agree."""
        for (named, inside), group in self._groups.items():
            agreement = affinity(field, named)
            if distinctive or _may_follow(text, field, named, agreement, inside):
                yield agreement, group


def ranked_sources(
    sources: Sources, occurrences: Sequence[Occurrence], index: int, text: str, field: MessageField, distinctive: bool
) -> list[tuple[Source, bool]]:
    """The sources before exchange `index` that qualify, best first, each with whether it is as good as the first.

    The sources of a `distinctive` text qualify by themselves, others by their names and that of `field`.
    `occurrences` are all occurrences of the text in requests.
    """
    if not distinctive and not is_short_id(text) and occurrences[0].index <= sources.first:
        return []  # a word that the client sent before any response did is the client's own
    scored = []
    for agreement, group in sources.qualifying(text, field, distinctive):
        # The latest of a group are enough to choose from.
        for source in _latest_before(group, index):
            fresh = not echoes(source, occurrences, distinctive)
            scored.append(((fresh, not source.locator.listed, agreement, -source.depth, source.index), source))
    scored.sort(key=lambda item: item[0], reverse=True)
    if not scored or (not distinctive and not scored[0][0][0]):
        # Where every response only echoes its request, the client knew the value first.
        return []
    top = scored[0][0]
    # Two cuts of one text are one source: the better cut stands for both.
    distinct = {_value_key(source): (score, source) for score, source in reversed(scored)}
    kept = sorted(distinct.values(), key=lambda item: item[0], reverse=True)[:_MOST_STAND_INS]
    return [(source, score[:3] == top[:3]) for score, source in kept]


def _latest_before(group: list[Source], index: int) -> list[Source]:
    end = bisect_left(group, index, key=lambda source: source.index)
    return group[max(0, end - _MOST_LOOKED_AT) : end]


def _value_key(source: Source) -> tuple[int, str, str]:
    return source.index, source.locator.expression, source.locator.key


def _may_follow(text: str, field: MessageField, source: MessageField, agreement: int, inside: bool) -> bool:
    """Whether a short value may be followed: only where the names agree, a word only where it is a key or a position.

    A position ("bzoz") is opaque to the client, so that letters alone are as much of one as digits are.
    """
    if agreement < 1 or (inside and agreement < 2):
        return False
    if not is_short_id(text):
        if asks_for_the_next_page(field, source):
            return text.lower() not in NOT_VALUES
        named = is_key(field.name) and names_itself(source.name)
        return named and field.kind != "token" and agreement >= 2 and len(text) >= 3
    # The same name alone says something only where it is an identifier's: a quantity is no flow.
    by_name = field.kind in ("body", "query") and agreement != 2
    return not by_name or (is_identifier(field.name) and is_identifier(source.name))


def echoes(source: Source, occurrences: Sequence[Occurrence], distinctive: bool) -> bool:
    """Whether the request of the response carried the value already, in a field that means the same."""
    start = bisect_left(occurrences, source.index, key=lambda occurrence: occurrence.index)
    for occurrence in islice(occurrences, start, None):
        if occurrence.index != source.index:
            break
        if distinctive or affinity(occurrence.field, source.field) >= 1:
            return True
    return False

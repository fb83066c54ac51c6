"""Which of an answer's places a value in a request comes from."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.replay.correlate.decide import Use
from verifier.replay.correlate.looks import is_short_id
from verifier.replay.correlate.names import Place, affinity, is_identifier, is_key, names_itself
from verifier.replay.correlate.sources import Source

_MOST_STAND_INS = 4


def best(
    sources: Sequence[Source], uses: Sequence[Use], index: int, text: str, place: Place, strong: bool
) -> list[tuple[Source, bool]]:
    """The sources before exchange `index` that qualify, best first, each with whether it is as good as the first.

    `strong` texts qualify by themselves, others by the names of `place` and source. `uses` are all appearances of
    the text in requests.
    """
    scored = []
    for source in sources:
        if source.index >= index:
            continue
        near = affinity(place, source.place)
        if not strong and not _may_follow(text, place, source, near):
            continue
        fresh = not echoes(source, uses, strong)
        scored.append(((fresh, not source.origin.listed, near, -source.depth, source.index), source))
    scored.sort(key=lambda item: item[0], reverse=True)
    if not scored or (not strong and not scored[0][0][0]):
        # Where every answer only repeats what its request said, the client knew it first.
        return []
    top = scored[0][0]
    # Two cuts of one text are no two sources: the better one stands for both.
    leaves = {_leaf(source): (score, source) for score, source in reversed(scored)}
    kept = sorted(leaves.values(), key=lambda item: item[0], reverse=True)[:_MOST_STAND_INS]
    return [(source, score[:3] == top[:3]) for score, source in kept]


def _leaf(source: Source) -> tuple[int, str, str]:
    return source.index, source.origin.expression, source.origin.key


def _may_follow(text: str, place: Place, source: Source, near: int) -> bool:
    """Whether a short value may be followed: by the names alone, and a word only where it is a key."""
    if near < 1 or (source.depth and near < 2):
        return False
    if not is_short_id(text):
        return near >= 2 and len(text) >= 3 and is_key(place.name) and names_itself(source.place.name)
    # The same name alone says something only where it is an identifier's: a quantity is no flow.
    by_name = place.kind in ("body", "query") and near != 2
    return not by_name or (is_identifier(place.name) and is_identifier(source.place.name))


def echoes(source: Source, uses: Sequence[Use], strong: bool) -> bool:
    """Whether the answer's own request carried the value already (in a place that means the same)."""
    return any(use.index == source.index and (strong or affinity(use.place, source.place) >= 1) for use in uses)

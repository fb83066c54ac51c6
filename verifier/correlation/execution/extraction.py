"""What to do with an answer, prepared once per step: where to look, and how little of the answer to decode for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from verifier.correlation.analysis.lists import take_listed
from verifier.correlation.analysis.model import as_text
from verifier.correlation.analysis.sources import SourceResponse
from verifier.correlation.execution.conflicts import SourceConflicts
from verifier.correlation.execution.leaves import leaves
from verifier.correlation.text.parts import bits, unreserved
from verifier.http.message import Response

if TYPE_CHECKING:
    from verifier.correlation.execution.player import Player
    from verifier.correlation.execution.script import Extraction, Slot

Produced = tuple[tuple[str, str], ...]
Learn = Callable[["Player", Response], Produced]


def learner(extractions: Sequence[Extraction], slots: Sequence[Slot], sole: frozenset[int]) -> Learn:
    """The function that learns from the answers of one step. `sole`: the slots that no other place can fill."""
    if len(extractions) == 1:
        extraction = extractions[0]
        plain = extraction.origin.place == "json" and not extraction.origin.listed and not extraction.origin.steps
        if plain and extraction.slot in sole and extraction.rank == 0:
            return _one(extraction)
    return _several(extractions, slots, sole)


def _one(extraction: Extraction) -> Learn:
    """By far the most common step: its answer has one value that is used, and nothing else has it."""
    read, slot, bit, expression = (
        leaves(extraction.origin.key),
        extraction.slot,
        1 << extraction.slot,
        extraction.origin.expression,
    )

    def learn(player: Player, response: Response) -> Produced:
        value = read(response.body)
        if type(value) is not str:
            value = as_text(value)
            if value is None:
                return ()
        player.values[slot] = value
        if player.unresolved & bit:
            player.unresolved ^= bit
        if not (value.isascii() and value.isalnum()) and unreserved(value) is None:
            player.needs_encoding |= bit
        elif player.needs_encoding & bit:
            player.needs_encoding ^= bit
        return ((expression, value),)

    return learn


def _several(extractions: Sequence[Extraction], slots: Sequence[Slot], sole: frozenset[int]) -> Learn:
    prepared = [
        (extraction, extraction.slot in sole, extraction.origin.listed, slots[extraction.slot].recorded)
        for extraction in extractions
    ]
    filled = {extraction.slot for extraction in extractions}
    every = bits(filled)
    json = [extraction.origin for extraction in extractions if extraction.origin.place == "json"]
    # An element of a list is found by its neighbours, so that the whole document is needed.
    keys = () if any(origin.listed for origin in json) else tuple(dict.fromkeys(origin.key for origin in json))
    read = leaves(*keys) if keys else None

    def learn(player: Player, response: Response) -> Produced:
        answer = SourceResponse(response, keys, read)
        conflicts = player.conflicts
        if conflicts is None:
            conflicts = player.conflicts = SourceConflicts()
        produced: dict[str, str] = {}
        for extraction, alone, listed, recorded in prepared:
            if not alone and conflicts.ignores(extraction):
                continue
            value = take_listed(answer, extraction, recorded) if listed else answer.extraction(extraction.origin)
            if value is None:
                continue
            if alone:
                player.values[extraction.slot] = value
                player.unresolved &= ~(1 << extraction.slot)
            else:
                player.unresolved = conflicts.learn(extraction, value, player.values, player.unresolved)
            if extraction.rank == 0:
                produced.setdefault(extraction.origin.expression, value)
        coded = bits(slot for slot in filled if not unreserved(player.values[slot]))
        player.needs_encoding = (player.needs_encoding & ~every) | coded
        return tuple(produced.items())

    return learn

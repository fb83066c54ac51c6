"""What to do with an answer, prepared once per step: where to look, and how little of the answer to decode for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from verifier.correlation.analysis.lists import take_listed
from verifier.correlation.analysis.model import as_text
from verifier.correlation.analysis.sources import Answer
from verifier.correlation.execution.conflicts import Rivals
from verifier.correlation.execution.leaves import leaves
from verifier.correlation.text.parts import bits, unreserved
from verifier.http.message import Response

if TYPE_CHECKING:
    from verifier.correlation.execution.player import Player
    from verifier.correlation.execution.script import Slot, Take

Produced = tuple[tuple[str, str], ...]
Learn = Callable[["Player", Response], Produced]


def learner(takes: Sequence[Take], slots: Sequence[Slot], sole: frozenset[int]) -> Learn:
    """The function that learns from the answers of one step. `sole`: the slots that no other place can fill."""
    if len(takes) == 1:
        take = takes[0]
        plain = take.origin.place == "json" and not take.origin.listed and not take.origin.steps
        if plain and take.slot in sole and take.rank == 0:
            return _one(take)
    return _several(takes, slots, sole)


def _one(take: Take) -> Learn:
    """By far the most common step: its answer has one value that is used, and nothing else has it."""
    read, slot, bit, expression = leaves(take.origin.key), take.slot, 1 << take.slot, take.origin.expression

    def learn(player: Player, response: Response) -> Produced:
        value = read(response.body)
        if type(value) is not str:
            value = as_text(value)
            if value is None:
                return ()
        player.values[slot] = value
        if player.troubled & bit:
            player.troubled ^= bit
        if not (value.isascii() and value.isalnum()) and unreserved(value) is None:
            player.reserved |= bit
        elif player.reserved & bit:
            player.reserved ^= bit
        return ((expression, value),)

    return learn


def _several(takes: Sequence[Take], slots: Sequence[Slot], sole: frozenset[int]) -> Learn:
    prepared = [(take, take.slot in sole, take.origin.listed, slots[take.slot].recorded) for take in takes]
    filled = {take.slot for take in takes}
    every = bits(filled)
    json = [take.origin for take in takes if take.origin.place == "json"]
    # An element of a list is found by its neighbours, so that the whole document is needed.
    keys = () if any(origin.listed for origin in json) else tuple(dict.fromkeys(origin.key for origin in json))
    read = leaves(*keys) if keys else None

    def learn(player: Player, response: Response) -> Produced:
        answer = Answer(response, keys, read)
        rivals = player.rivals
        if rivals is None:
            rivals = player.rivals = Rivals()
        produced: dict[str, str] = {}
        for take, alone, listed, recorded in prepared:
            if not alone and rivals.ignores(take):
                continue
            value = take_listed(answer, take, recorded) if listed else answer.take(take.origin)
            if value is None:
                continue
            if alone:
                player.values[take.slot] = value
                player.troubled &= ~(1 << take.slot)
            else:
                player.troubled = rivals.learn(take, value, player.values, player.troubled)
            if take.rank == 0:
                produced.setdefault(take.origin.expression, value)
        coded = bits(slot for slot in filled if not unreserved(player.values[slot]))
        player.reserved = (player.reserved & ~every) | coded
        return tuple(produced.items())

    return learn

"""What to do with an answer, prepared once per step: where to look, and how little of the answer to decode for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from verifier.history.message import Response
from verifier.replay.correlate.lists import take_listed
from verifier.replay.correlate.model import MISSING, as_text, at_pointer, json_of
from verifier.replay.correlate.script import Slot, Take
from verifier.replay.correlate.sources import Answer

if TYPE_CHECKING:
    from verifier.replay.correlate.player import Player

Produced = tuple[tuple[str, str], ...]
Learn = Callable[["Player", Response], Produced]
_Leaf = Callable[[bytes], Any]


def learner(takes: Sequence[Take], slots: Sequence[Slot], sole: frozenset[int]) -> Learn:
    """The function that learns from the answers of one step. `sole`: the slots that no other place can fill."""
    if len(takes) == 1:
        take = takes[0]
        if take.slot in sole and take.rank == 0 and _plain(take):
            return _one_leaf(take)
    return _each(tuple((take, take.slot in sole, slots[take.slot].recorded) for take in takes))


def _plain(take: Take) -> bool:
    """Whether the value is a scalar of a JSON body, at a place that no list has a part in."""
    return take.origin.place == "json" and not take.origin.listed and not take.origin.steps


def _one_leaf(take: Take) -> Learn:
    """By far the most common step: its answer has one value that is used, and nothing else has it."""
    leaf, slot, bit, expression = leaf_reader(take.origin.key), take.slot, 1 << take.slot, take.origin.expression

    def learn(player: Player, response: Response) -> Produced:
        value = leaf(response.body)
        if type(value) is not str:
            value = as_text(value)
            if value is None:
                return ()
        player.values[slot] = value
        if player.troubled & bit:
            player.troubled ^= bit
        return ((expression, value),)

    return learn


def _each(takes: tuple[tuple[Take, bool, str], ...]) -> Learn:
    def learn(player: Player, response: Response) -> Produced:
        answer = Answer(response)
        produced: dict[str, str] = {}
        for take, sole, recorded in takes:
            if not sole and player.rivals.ignores(take):
                continue
            origin = take.origin
            value = take_listed(answer, take, recorded) if origin.listed else answer.take(origin)
            if value is None:
                continue
            if sole:
                player.values[take.slot] = value
                player.troubled &= ~(1 << take.slot)
            else:
                player.troubled = player.rivals.learn(take, value, player.values, player.troubled)
            if take.rank == 0:
                produced.setdefault(origin.expression, value)
        return tuple(produced.items())

    return learn


@lru_cache(maxsize=4096)
def leaf_reader(pointer: str) -> _Leaf:
    """A function from a body to the value at a JSON pointer, MISSING where there is none.

    Equal to `at_pointer(json_of(body), pointer)`, but all else is checked and skipped without making values of it,
    where the body is ASCII: skipping does not look into UTF-8. One thing is let pass besides that `json` refuses:
    an integer of more than 4300 digits in what is skipped.
    """
    decode, get = _decoder(pointer)

    def slowly(body: bytes) -> Any:
        return at_pointer(json_of(body), pointer)

    if decode is None:
        return slowly

    def read(body: bytes) -> Any:
        if body.isascii():
            try:
                return get(decode(body))
            except (msgspec.DecodeError, RecursionError):
                # No JSON, or something else than objects on the way.
                return slowly(body)
        return slowly(body)

    return read


def _decoder(pointer: str) -> tuple[Callable[[bytes], Any] | None, Callable[[Any], Any]]:
    """A decoder of nested structs with one field each, and what takes the innermost field out of them."""
    names = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    kind: Any = Any
    default: Any = MISSING
    try:
        for name in reversed(names):
            renamed = {"inner": name}.get
            kind = msgspec.defstruct("Level", [("inner", kind, default)], rename=renamed, frozen=True, gc=False)
            default = kind()
    except ValueError:  # a name with quotes, or one that is no UTF-8, cannot be a field's
        names = []
    return (msgspec.json.Decoder(kind).decode if names else None), attrgetter(".".join(["inner"] * max(1, len(names))))

"""Learning from a response, prepared once per step: where to look, and how little of the body to decode for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verifier.correlation.execution.conflicts import SourceConflicts
from verifier.correlation.execution.json_members import member_reader
from verifier.correlation.execution.state import ReplayState
from verifier.correlation.list_elements import listed_value
from verifier.correlation.model import Extraction, Slot
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.text.json import as_text
from verifier.correlation.text.parts import bits, unreserved
from verifier.http.message import Response

Produced = tuple[tuple[str, str], ...]  # (runtime expression, value)
Learn = Callable[[ReplayState, Response], Produced]


def learner(extractions: Sequence[Extraction], slots: Sequence[Slot], single_source: frozenset[int]) -> Learn:
    """The function that learns from the responses of one step. `single_source`: slots with no other extraction."""
    if len(extractions) == 1:
        extraction = extractions[0]
        locator = extraction.locator
        plain = locator.part == "json" and not locator.listed and not locator.cuts
        if plain and extraction.slot in single_source and extraction.rank == 0:
            return _one_member(extraction)
    return _several(extractions, slots, single_source)


def _one_member(extraction: Extraction) -> Learn:
    """By far the most common step: later steps use one JSON member of its response, and no other source has it."""
    read = member_reader(extraction.locator.key)
    slot, bit, expression = extraction.slot, 1 << extraction.slot, extraction.locator.expression

    def learn(state: ReplayState, response: Response) -> Produced:
        value = read(response.body)
        if type(value) is not str:
            value = as_text(value)
            if value is None:
                return ()
        state.values[slot] = value
        if state.unresolved & bit:
            state.unresolved ^= bit
        if not (value.isascii() and value.isalnum()) and unreserved(value) is None:
            state.needs_encoding |= bit
        elif state.needs_encoding & bit:
            state.needs_encoding ^= bit
        return ((expression, value),)

    return learn


def _several(extractions: Sequence[Extraction], slots: Sequence[Slot], single_source: frozenset[int]) -> Learn:
    prepared = [
        (extraction, extraction.slot in single_source, extraction.locator.listed, slots[extraction.slot].recorded)
        for extraction in extractions
    ]
    filled = {extraction.slot for extraction in extractions}
    filled_bits = bits(filled)
    json = [extraction.locator for extraction in extractions if extraction.locator.part == "json"]
    # An element of a list is found by its neighbours, so that the whole document is needed.
    pointers = () if any(one.listed for one in json) else tuple(dict.fromkeys(one.key for one in json))
    members = member_reader(*pointers) if pointers else None

    def learn(state: ReplayState, response: Response) -> Produced:
        reader = ResponseReader(response, pointers, members)
        conflicts = state.conflicts
        if conflicts is None:
            conflicts = state.conflicts = SourceConflicts()
        produced: dict[str, str] = {}
        for extraction, single, listed, recorded in prepared:
            if not single and conflicts.ignores(extraction):
                continue
            value = listed_value(reader, extraction, recorded) if listed else reader.value(extraction.locator)
            if value is None:
                continue
            if single:
                state.values[extraction.slot] = value
                state.unresolved &= ~(1 << extraction.slot)
            else:
                state.unresolved = conflicts.learn(extraction, value, state.values, state.unresolved)
            if extraction.rank == 0:
                produced.setdefault(extraction.locator.expression, value)
        encoded = bits(slot for slot in filled if not unreserved(state.values[slot]))
        state.needs_encoding = (state.needs_encoding & ~filled_bits) | encoded
        return tuple(produced.items())

    return learn

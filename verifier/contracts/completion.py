"""Declared completion of accepted work: where to ask, what state is shown, and which states are final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verifier.contracts.expressions import Address, Expression, as_text, body_json, parse, parse_address
from verifier.http.message import Request, Response
from verifier.located import Located, Reader
from verifier.pointers import value_at

PRESENT, WHOLE = "present", "$response.body"  # the state of an entry that is there, where no state is declared


@dataclass(frozen=True, slots=True)
class Completes:
    """Accepted work reaches a final state within `within` seconds. `done`: final states that mean success.

    `poll` is the address that tells how far the work is. Where it answers with a list, `entry` names the work's own
    entry in it: a field, and the value that it has there. Then `state` points into that entry; without a `state`, the
    work is done once its entry is there.
    """

    accepted: int
    poll: Address
    state: Expression
    transitions: tuple[tuple[str, tuple[str, ...]], ...]
    final: tuple[str, ...]
    done: tuple[str, ...]
    within: float
    entry: tuple[str, Expression] | None = None

    def shown(self, accepted: tuple[Request, Response | None], read: tuple[Request, Response | None]) -> str | None:
        """The state that a read shows of the work that another exchange accepted; None where it shows none."""
        if self.entry is None:
            return self.state.value(*read)
        name, expression = self.entry
        wanted = expression.value(*accepted)
        if wanted is None or read[1] is None:
            return None
        found = _entry(body_json(read[1].body), name, wanted)
        if found is None:
            return None
        return PRESENT if self.state.text == WHOLE else as_text(value_at(found, self.state.name))


def completion(reader: Reader, at: Located) -> Completes | None:
    items = reader.mapping(at, ("accepted", "poll", "entry", "state", "transitions", "final", "done", "within"))
    poll = _address(reader, items.get("poll"), at)
    entry = _own_entry(reader, items["entry"]) if "entry" in items else None
    present = "entry" in items and "state" not in items
    state = parse(WHOLE) if present else expression(reader, items.get("state"), at, "state")
    transitions = tuple((name, reader.texts(item)) for name, item in reader.mapping(items.get("transitions")).items())
    final = reader.texts(items.get("final")) or ((PRESENT,) if present else ())
    if not final:
        reader.problem(at, "needs 'final', the states in which work ends")
    done = reader.texts(items.get("done")) or final[:1]
    for state_name in done:
        if state_name not in final:
            reader.problem(items.get("done", at), f"{state_name!r} is not among the final states")
    _check_transitions(reader, items, transitions, final)
    accepted = reader.whole(items.get("accepted"), 202, 100, 599)
    within = reader.seconds(items.get("within"), 10.0)
    if poll is None or state is None:
        return None
    return Completes(accepted, poll, state, transitions, final, done, within, entry)


def expression(reader: Reader, at: Located | None, owner: Located | None = None, key: str = "") -> Expression | None:
    """The runtime expression at a place. If it is missing, `owner` gets the problem that it needs `key`."""
    if at is None:
        if owner is not None:
            reader.problem(owner, f"needs {key!r}, a runtime expression")
        return None
    try:
        return parse(reader.text(at))
    except ValueError as error:
        reader.problem(at, str(error))
        return None


def _address(reader: Reader, at: Located | None, parent: Located) -> Address | None:
    if at is None:
        reader.problem(parent, "needs 'poll'")
        return None
    try:
        return parse_address(reader.text(at))
    except ValueError as error:
        reader.problem(at, str(error))
        return None


def _own_entry(reader: Reader, at: Located) -> tuple[str, Expression] | None:
    """`{FIELD: EXPRESSION}`: the entry of a list whose field has the value."""
    fields = [(name, expression(reader, item)) for name, item in reader.mapping(at).items()]
    if len(fields) != 1:
        reader.problem(at, "names one field of the entry, and the value that it has there")
    return next(((name, found) for name, found in fields if found is not None), None)


def _entry(body: Any, name: str, wanted: str) -> dict[str, Any] | None:
    """The first object in a document whose field has the value."""
    if isinstance(body, dict):
        if as_text(body.get(name)) == wanted:
            return body
        body = list(body.values())
    if not isinstance(body, list):
        return None
    return next((found for item in body if (found := _entry(item, name, wanted)) is not None), None)


def _check_transitions(
    reader: Reader,
    items: dict[str, Located],
    transitions: tuple[tuple[str, tuple[str, ...]], ...],
    final: Sequence[str],
) -> None:
    """Every state that is not final needs a following state. Otherwise its name is probably misspelled."""
    known = {name for name, following in transitions if following} | set(final)
    for name, following in transitions:
        if name in final and following:
            reader.problem(items["transitions"], f"{name!r} is final and cannot go on to {', '.join(following)}")
        for other in following:
            if other not in known:
                reader.problem(items["transitions"], f"{other!r} is not final, and nothing follows it")

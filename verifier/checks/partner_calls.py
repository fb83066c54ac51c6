"""Which calls of partners belong to which replay, when nothing is declared: told by the values that they carry.

A call belongs to a replay if it carries a value that no other replay on the same stores has sent or was given. Traces
are not needed: a worker that delivers a webhook later passes none on. It can be wrong where a service calls with a
value of its own that nobody else sees; such a call belongs to no replay, and nothing is concluded from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.checks.carried import contained, generated, of_request, of_response, telling, words
from verifier.checks.context import Context
from verifier.checks.groups import sent_by
from verifier.history.model import Operation
from verifier.history.outcome import SAFE

Source = tuple[int, str]  # index of an exchange, and the place of a value in its request or response
Called = tuple[str, str]  # partner, operation of the partner
ENOUGH = 3  # replays that must agree before a short value, such as a number, links calls


@dataclass(slots=True, eq=False)
class Replayed:
    """One replay of a session on one set of stores, late duplicates included.

    `control` is the control that it belongs to, "" for none. `values`: the telling values of its writes that a call of
    a partner carries as well.
    """

    path: str
    step: str
    session: str
    live: bool
    control: str
    operations: list[Operation] = field(default_factory=list)
    values: dict[str, set[Source]] = field(default_factory=lambda: defaultdict(set))
    calls: list[tuple[Operation, frozenset[Source]]] = field(default_factory=list)

    def attempts(self, index: int) -> list[Operation]:
        """The attempts of one exchange, without polls."""
        return [entry for entry in self.operations if entry.index == index and entry.source in ("replay", "live")]

    def reached(self, moment: float) -> int:
        """The last exchange that was sent before a moment; -1 for none."""
        return max((entry.index for entry in self.operations if entry.started <= moment), default=-1)


def is_write(operation: Operation) -> bool:
    return operation.source in ("replay", "live") and operation.request.method not in SAFE


def replays(context: Context) -> list[Replayed]:
    """Every replay with the partners' calls that carry its values."""
    calls: dict[str, list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(lambda group: group.source == "partner" and not group.made_up):
        if operation.effect == "applied":
            calls[context.path(operation)].append(operation)
    if not calls:
        return []
    parts = {
        call.id: {part for _, text in of_request(call.request) for part in contained(text)}
        for called in calls.values()
        for call in called
    }
    found = _replays(context, frozenset().union(*parts.values()))
    by_path: dict[str, list[Replayed]] = defaultdict(list)
    for replayed in found:
        by_path[replayed.path].append(replayed)
    for path, called in calls.items():
        _link(by_path[path], [(call, parts[call.id]) for call in called])
    _link_short(found, calls)
    return found


def _replays(context: Context, wanted: frozenset[str]) -> list[Replayed]:
    """`wanted`: the values that partners were shown."""
    found: dict[tuple[str, str, str], Replayed] = {}
    controls = _controls(context)
    for operation in context.groups.operations(sent_by("replay", "live", "poll")):
        first = context.root(operation) if operation.parent else operation
        if not first.session:
            continue
        key = (context.path(first), first.step, first.replay)
        replayed = found.get(key)
        if replayed is None:
            replayed = found[key] = Replayed(
                key[0], first.step, first.session, first.source == "live", controls.get(key[0], "")
            )
        replayed.operations.append(operation)
        if is_write(operation):
            _learn(replayed, operation, wanted)
    return list(found.values())


def _controls(context: Context) -> dict[str, str]:
    """The controls by path. In one, a single version meets its own data to the end, so that late calls are its own."""
    phases: dict[str, set[str]] = defaultdict(set)
    for step in context.history.steps:
        phases[step.path].add(step.phase)
    return {path: min(found) for path, found in phases.items() if found in ({"control-old"}, {"control-new"})}


def _learn(replayed: Replayed, operation: Operation, wanted: frozenset[str]) -> None:
    for side, place, text in _said(operation):
        for word in words(text, wanted):
            replayed.values[word].add((operation.index, f"{side} {place}"))


def _said(operation: Operation) -> Iterator[tuple[str, str, str]]:
    """What a write said and was answered: the side, the place, and the text."""
    for place, text in of_request(operation.request):
        yield "request", place, text
    for place, text in of_response(operation.response) if operation.response is not None else ():
        yield "response", place, text


def _short(replayed: Replayed) -> dict[Source, str]:
    """The values of its writes that are not telling, by their source."""
    return {
        (operation.index, f"{side} {place}"): text
        for operation in replayed.operations
        if is_write(operation)
        for side, place, text in _said(operation)
        if text and not telling(text) and "/*" not in place
    }


def _link(found: list[Replayed], calls: list[tuple[Operation, set[str]]]) -> None:
    """Give each call to the replays that alone carry one of its values."""
    owners: dict[str, Replayed | None] = {}
    for replayed in found:
        for text in replayed.values:
            owners[text] = None if text in owners else replayed
    for call, parts in calls:
        sources: dict[int, set[Source]] = defaultdict(set)
        linked: dict[int, Replayed] = {}
        for part in parts:
            owner = owners.get(part)
            if owner is not None:
                linked[id(owner)] = owner
                sources[id(owner)] |= owner.values[part]
        for key, owner in linked.items():
            owner.calls.append((call, frozenset(sources[key])))


def called_name(call: Operation) -> Called:
    """Partner and operation of a call. Without a contract it is the path, with ids left out."""
    method, path = call.request.method, call.request.path
    if call.name != f"{method} {path}":
        return call.service, call.name
    segments = [
        "{}" if generated(segment) or any(any(map(str.isdigit, word)) for word in words(segment)) else segment
        for segment in path.split("/")
    ]
    return call.service, f"{method} {'/'.join(segments)}"


def _link_short(found: list[Replayed], calls: dict[str, list[Operation]]) -> None:
    """Link by numbers and other short values, in sessions that no telling value links.

    Such a value is equal to another by chance, so its place in the request and its place in the call must go together
    in every undisturbed replay of the controls.
    """
    linked = {replayed.session for replayed in found if replayed.calls}
    open_ones = [replayed for replayed in found if replayed.session not in linked]
    index: dict[tuple[str, Called, str, str], list[Operation]] = defaultdict(list)
    for path, called in calls.items():
        for call in called:
            for place, text in of_request(call.request):
                if not telling(text):
                    index[path, called_name(call), place, text].append(call)
    at: dict[tuple[str, str], set[tuple[Called, str]]] = defaultdict(set)
    for path, name, place, text in index:
        at[path, text].add((name, place))
    owned = list(_sole_short(open_ones))
    pairs: dict[tuple[str, Source], set[tuple[Called, str]]] = {}
    seen: dict[tuple[str, Source], set[str]] = defaultdict(set)
    for replayed, source, text in owned:
        if replayed.control and not any(entry.fault for entry in replayed.operations):
            key = (replayed.session, source)
            here = at.get((replayed.path, text), set())
            pairs[key] = pairs[key] & here if key in pairs else set(here)
            seen[key].add(text)
    for replayed, source, text in owned:
        key = (replayed.session, source)
        if len(seen[key]) >= ENOUGH:
            for name, place in pairs.get(key, ()):
                replayed.calls += [(call, frozenset({source})) for call in index[replayed.path, name, place, text]]


def _sole_short(found: list[Replayed]) -> Iterator[tuple[Replayed, Source, str]]:
    """The short values that one replay alone has at a place of its session on its stores."""
    owners: dict[tuple[str, str, Source, str], list[Replayed]] = defaultdict(list)
    for replayed in found:
        for source, text in _short(replayed).items():
            owners[replayed.path, replayed.session, source, text].append(replayed)
    for (_, _, source, text), those in owners.items():
        if len(those) == 1:
            yield those[0], source, text

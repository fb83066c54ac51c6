"""What the controls teach about reading back: what varies by itself, what every version always shows, what is gone.

Also what clients removed themselves: a deleted resource must be gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from verifier.checks.context import SENT, Context
from verifier.checks.groups import Group
from verifier.checks.replays import Origin, find, origin
from verifier.checks.values import differences, leaves, text
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.pointers import MISSING

LATE = frozenset({"duplicate-next-step", "duplicate-after-rollback"})
GONE = frozenset({404, 410})
NOT_THERE = frozenset({404, 405, 410, 501})  # how a service answers what it has no endpoint for
Target = tuple[str, str, str]  # path, service, target
Place = tuple[str, str, int]  # service, session, index


def body_of(operation: Operation) -> Any:
    return body_json(operation.response.body) if operation.response else MISSING


def same_body(one: Operation, other: Operation) -> bool:
    """Whether two operations were answered with the same bytes."""
    first, second = one.response, other.response
    return first is second or (first is not None and second is not None and first.body == second.body)


@dataclass(slots=True)
class Controls:
    """Learned from the sweeps of the controls: `noise` by pointer, `lost` by session and index.

    What differs is learned where the verifier disturbed nothing: its late duplicate may rightly write an older value
    again, which says nothing about the field.
    """

    context: Context
    noise: set[tuple[str, str, str]] = field(default_factory=set)
    lost: set[tuple[str, str, int]] = field(default_factory=set)
    _statuses: dict[Place, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    _shown: dict[tuple[str, str, str, int, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _alone: dict[tuple[str, str, str, int, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        replays = self.context.once(find)
        first: dict[tuple[str, str], Operation] = {}
        in_controls = self.context.groups.pairs(
            lambda group: group.source == "sweep" and group.phase.startswith("control")
        )
        for group, operation in in_controls:
            if group.phase == "control-old" and group.answered:
                self._statuses[_place(operation)][group.status] += 1
            if not group.answered or group.status >= 300:
                if group.phase == "control-old":
                    self.lost.add(_place(operation))
                continue
            body = body_of(operation)
            if body is MISSING:
                continue
            if replays.control(operation) is not None:
                for pointer, value in leaves(body):
                    self._alone[self._place(operation, pointer)].add(value)
            if not replays.teaches(operation):
                continue
            known = first.setdefault((group.path, operation.parent), operation)
            if not same_body(known, operation):
                self._learn_noise(operation, body_of(known), body)
            for pointer, value in leaves(body):
                shown = self._shown[self._place(operation, pointer)]
                if len(shown) < 2:  # asked is only whether there is one
                    shown.add(value)

    def _learn_noise(self, operation: Operation, known: Any, body: Any) -> None:
        for one, other in ((known, body), (body, known)):
            for pointer, _, _ in differences(one, other):
                self.noise.add((operation.service, operation.name, pointer))

    def leads_away(self, operation: Operation) -> bool:
        """Whether a read-back is redirected, as the old version by itself redirects most reads of this place.

        A session that logs out is led to the login, and one that removed something with a form to a list. Nothing can
        be said to be lost then. It is wrong where a version redirects to another place than the old one does.
        """
        status = operation.response.status if operation.response is not None else 0
        by_itself = self._statuses.get(_place(operation), Counter())
        return 300 <= status < 400 and 2 * by_itself[status] > by_itself.total()

    def always(self, operation: Operation, pointer: str, value: Any) -> bool:
        """Whether the version shows this value, and no other, at this place of the traffic in its control.

        Then it is right whatever was read before: work that had not ended yet, or a version's own name.
        """
        return self._shown.get(self._place(operation, pointer)) == {text(value)}

    def spelled_apart(self, reference: Operation, operation: Operation, pointer: str, was: Any, now: Any) -> bool:
        """Whether two versions tell what a field means in texts of their own: another format of a position, say.

        Compares what each version showed there when it was alone with its own data, disturbed or not: both texts must
        be among their own version's, and no text of one may be one of the other's. Data that a version reads wrongly
        in a mixture is not among its own. It can be wrong where a version alone shows the same wrong text: that is a
        finding of its own control.
        """
        own = self._alone.get(self._place(reference, pointer), set())
        other = self._alone.get(self._place(operation, pointer), set())
        told = isinstance(was, str) and isinstance(now, str) and text(was) in own and text(now) in other
        return told and own.isdisjoint(other - {text(None), text("")})

    @staticmethod
    def _place(operation: Operation, pointer: str) -> tuple[str, str, str, int, str]:
        return (operation.service, operation.version, operation.session, operation.index, pointer)


@dataclass(slots=True)
class Removals:
    """Which resources clients removed, and which of those must be gone.

    A DELETE removes what is below its path too, whichever view a query asks for, and so says one that finds nothing
    left to delete. Not every removal is a DELETE of the resource itself or of what it is in: it may be inside a
    batch. There the client's own later read tells, where the controls answer it in the same way.
    """

    context: Context
    _deleted: dict[Target, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    _away: dict[Target, float] = field(default_factory=dict)  # when the first DELETE of a path was sent
    _writes: dict[Origin, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    _touched: dict[Target, set[Origin]] = field(default_factory=lambda: defaultdict(set))
    _missed: dict[Target, list[Operation]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        groups = self.context.groups
        read_as_gone = list(groups.pairs(_is_gone))
        expected = {_place(operation) for group, operation in read_as_gone if group.phase == "control-old"}
        for _, operation in read_as_gone:
            if _place(operation) in expected:
                self._missed[self._target(operation)].append(operation)
        for operation in groups.operations(lambda group: group.source in SENT and group.method == "DELETE"):
            self._note_away(operation)
            if operation.outcome != "fail":
                self._deleted[self._target(operation)].append(operation)
        if self._deleted:
            self._learn_others()

    def _learn_others(self) -> None:
        """Who else asked for what was deleted, and what the clients that deleted it wrote."""
        clients = {origin(self.context, operation) for found in self._deleted.values() for operation in found}
        sent = self.context.groups.operations(lambda group: group.source in SENT and group.outcome != "fail")
        for operation in sent:
            client = origin(self.context, operation)
            if (target := self._target(operation)) in self._deleted:
                self._touched[target].add(client)
            if client in clients and operation.request.method not in (*SAFE, "DELETE"):
                self._writes[client].append(operation)

    def may_be_gone(self, sweep: Operation) -> bool:
        target = self._target(sweep)
        if any(operation.started < sweep.ended for operation in self._deleted.get(target, ())):
            return True
        if any(self._away.get((*target[:2], place), sweep.ended) < sweep.ended for place in _around(sweep)):
            return True
        read = self.context.by_id.get(sweep.parent, sweep)
        return any(read.ended <= operation.started < sweep.ended for operation in self._missed.get(target, ()))

    def must_be_gone(self, sweep: Operation) -> Operation | None:
        """The acknowledged deletion after which nobody can have made the resource again."""
        if not self._deleted:
            return None
        target = self._target(sweep)
        if len(self._touched.get(target, ())) > 1:
            return None
        for operation in self._deleted.get(target, ()):
            sure = operation.outcome == "ok" and operation.ended <= sweep.started
            writes = self._writes.get(origin(self.context, operation), ())
            if sure and all(write.ended <= operation.started for write in writes):
                return operation
        return None

    def _note_away(self, operation: Operation) -> None:
        answer = operation.response
        found_nothing = answer is not None and answer.status in GONE
        if "?" in operation.request.target:
            return
        if operation.outcome != "fail" or found_nothing:
            target = (*self._target(operation)[:2], operation.request.path.rstrip("/"))
            self._away[target] = min(operation.started, self._away.get(target, operation.started))

    def _target(self, operation: Operation) -> Target:
        return (self.context.path(operation), operation.service, operation.request.target)


@dataclass(slots=True)
class Endpoints:
    """What versions by themselves never show, by service, version and operation.

    `removed`: in its own control the version answers every client that nothing is there. Such an endpoint was removed.
    That is a break of compatibility, and no lost write.
    `broken`: by itself the old version answers every client with an error of the server. What it never could show is
    not lost when a newer version shows it and the old one still does not.

    Both compare all reads of an operation in the control of one version. They can be wrong where one operation name
    stands for endpoints of several kinds.
    """

    context: Context
    removed: set[tuple[str, str, str]] = field(default_factory=set)
    broken: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        statuses: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        by_itself: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        for group in self.context.groups.where(_is_answered_read):
            name = (group.service, group.version, group.name)
            if group.phase.startswith("control"):
                statuses[name].add(group.status)
            if group.phase == "control-old":
                by_itself[name].add(group.status)
        self.removed = {name for name, found in statuses.items() if found & NOT_THERE and min(found) >= 400}
        self.broken = {name for name, found in by_itself.items() if min(found) >= 500}


def _around(operation: Operation) -> Iterator[str]:
    """The path of an operation, and those that it is below of: /posts/1/comments, /posts/1, /posts."""
    path = operation.request.path.rstrip("/")
    while path:
        yield path
        path = path.rpartition("/")[0]


def _place(operation: Operation) -> Place:
    return (operation.service, operation.session, operation.index)


def _is_gone(group: Group) -> bool:
    return _is_answered_read(group) and group.status in GONE


def _is_answered_read(group: Group) -> bool:
    """Whether these are a client's reads, and were answered."""
    return group.source in ("replay", "live") and group.method in SAFE and group.answered

"""What the controls teach about reading back: what varies by itself, what every version always shows, what is gone.

Also what clients removed themselves: a deleted resource must be gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from verifier.checks.context import SENT, Context
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

    def __post_init__(self) -> None:
        replays = self.context.once(find)
        first: dict[tuple[str, str], Any] = {}
        for operation in self.context.history.operations:
            step = self.context.steps.get(operation.step)
            if operation.source != "sweep" or step is None or not step.phase.startswith("control"):
                continue
            if step.phase == "control-old" and operation.response is not None:
                self._statuses[_place(operation)][operation.response.status] += 1
            if operation.response is None or operation.response.status >= 300:
                if step.phase == "control-old":
                    self.lost.add((operation.service, operation.session, operation.index))
                continue
            body = body_of(operation)
            if body is MISSING or not replays.teaches(operation):
                continue
            known = first.setdefault((step.path, operation.parent), body)
            for one, other in ((known, body), (body, known)):
                for pointer, _, _ in differences(one, other):
                    self.noise.add((operation.service, operation.name, pointer))
            for pointer, value in leaves(body):
                self._shown[self._place(operation, pointer)].add(value)

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
        expected = self._read_as_gone()
        for operation in self.context.history.operations:
            if _place(operation) in expected and _is_gone(operation):
                self._missed[self._target(operation)].append(operation)
            self._note_away(operation)
            if operation.source not in SENT or operation.outcome == "fail":
                continue
            target = self._target(operation)
            self._touched[target].add(origin(self.context, operation))
            if operation.request.method == "DELETE":
                self._deleted[target].append(operation)
            elif operation.request.method not in SAFE:
                self._writes[origin(self.context, operation)].append(operation)

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
        if operation.request.method != "DELETE" or operation.source not in SENT or "?" in operation.request.target:
            return
        if operation.outcome != "fail" or found_nothing:
            target = (*self._target(operation)[:2], operation.request.path.rstrip("/"))
            self._away[target] = min(operation.started, self._away.get(target, operation.started))

    def _read_as_gone(self) -> set[Place]:
        """Where in the traffic the old version by itself answers a client's read with "gone"."""
        phases = {name: step.phase for name, step in self.context.steps.items()}
        return {
            _place(operation)
            for operation in self.context.history.operations
            if phases.get(operation.step) == "control-old" and _is_gone(operation)
        }

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
        for operation in self.context.history.operations:
            if operation.source not in ("replay", "live") or operation.request.method not in SAFE:
                continue
            phase = self.context.phase(operation)
            if operation.response is None or not phase.startswith("control"):
                continue
            name = (operation.service, operation.version, operation.name)
            statuses[name].add(operation.response.status)
            if phase == "control-old":
                by_itself[name].add(operation.response.status)
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


def _is_gone(operation: Operation) -> bool:
    answer = operation.response
    reads = operation.source in ("replay", "live") and operation.request.method in SAFE
    return reads and answer is not None and answer.status in GONE

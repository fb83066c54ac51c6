"""What the old version does by itself: the status classes and shapes of its answers, learned from the controls."""

from __future__ import annotations

from collections import defaultdict

from verifier.checks.context import CLIENT, Context
from verifier.checks.eventshapes import EventShapes
from verifier.checks.groups import Group, sent_by
from verifier.checks.readback import LATE
from verifier.checks.shapes import Shape, body_kind
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import Response
from verifier.plan.model import Plan
from verifier.pointers import MISSING

Place = tuple[str, int, str, str]
AT_ONCE = "duplicate at once"
AFTERWARDS = "duplicate afterwards"
REORDER = "reorder"
LOST = "lost-answer"
OVERTAKEN = "late-arrival"
MOST_BODIES = 1 << 15  # that are known to fit, of one operation
IN_TURN = ("", "duplicate", "retry")


class Baseline:
    """What the old version did by itself, learned from the controls with all old."""

    def __init__(self, context: Context, plan: Plan | None = None) -> None:
        self._context = context
        sessions = plan.sessions if plan is not None else ()
        self._on_the_way = {
            (session.id, index): {status // 100 for status in exchange.passing}
            for session in sessions
            for index, exchange in enumerate(session.exchanges)
        }
        self._swapped: dict[tuple[str, str], set[int]] = defaultdict(set)
        for operation in context.groups.operations(lambda group: group.source in CLIENT and group.fault == REORDER):
            self._swapped[operation.step, operation.replay].add(operation.index)
        self.classes: dict[Place, set[int]] = defaultdict(set)
        self.shapes: dict[tuple[str, str, int], Shape] = defaultdict(Shape)
        self.events: dict[tuple[str, str, int], EventShapes] = defaultdict(EventShapes)
        self.kinds: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        self._known: dict[Place, set[int]] = {}
        self._fitting: dict[tuple[str, str, int], set[bytes]] = {}
        self._learn()

    def _learn(self) -> None:
        """Take in every response of the controls with all old."""
        names: dict[Place, str] = {}
        by_old = self._context.groups.operations(
            lambda group: group.source in CLIENT and group.phase == "control-old" and group.answered
        )
        for operation in by_old:
            if operation.response is None:
                continue
            place = self.place(operation)
            if operation.request.method not in SAFE:
                names[place] = f"{operation.service} {operation.name}"
            self.classes[place].add(operation.response.status // 100)
            if operation.response.status >= 300 or operation.request.method == "HEAD":
                continue
            key, body = shape_key(operation, operation.response), body_json(operation.response.body)
            self.kinds[key].add(body_kind(operation.response))
            self.events[key].learn(operation.response)
            if body is not MISSING:
                self.shapes[key].learn(body)
        self._add_what_varies(names)

    def _add_what_varies(self, names: dict[Place, str]) -> None:
        """A write that is answered now so, now so, at one place of the traffic, varies by itself wherever it is sent.

        Such is a name that two replays cannot take at once: which of them meet is chance, and is no news.
        """
        varying: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        for place, name in names.items():
            if len(self.classes[place]) > 1:
                varying[name, place[2], place[3]] |= self.classes[place]
        for place, name in names.items():
            found = varying.get((name, place[2], place[3]), set())
            if found & self.classes[place]:
                self.classes[place] |= found

    def is_usual(self, group: Group, operation: Operation, response: Response) -> bool:
        """Whether a response has a status class and a shape that the old version showed. It spares most of them more.

        Of a body that is told again the answer is known.
        """
        status = group.status // 100
        if status not in self._usual_classes(group, operation):
            return False
        if status != 2 or group.method == "HEAD":
            return True
        key = (group.service, group.name, status)
        shape = self.shapes.get(key)
        if shape is None:
            return False
        fitting = self._fitting.setdefault(key, set())
        if response.body in fitting:
            return True
        body = body_json(response.body)
        if isinstance(body, dict | list) and "JSON" in self.kinds.get(key, ()) and shape.fits(body):
            if len(fitting) >= MOST_BODIES:
                fitting.clear()
            fitting.add(response.body)
            return True
        return False

    def _usual_classes(self, group: Group, operation: Operation) -> set[int]:
        place = self._place(group.source == "live", operation)
        if place not in self._known:
            self._known[place] = self.known(place)
        return self._known[place]

    def place(self, operation: Operation) -> Place:
        """Where in the traffic an answer belongs; live traffic belongs where undisturbed replays do.

        All reads of one waiting belong to one place: which of them is the first to come after the work is done is
        chance, so 404 at a second read says no more than 404 at the first. It can be wrong where a version takes the
        answer of finished work back; what is read after the waiting shows that.
        """
        return self._place(operation.source == "live", operation)

    def _place(self, live: bool, operation: Operation) -> Place:
        repeats = live or (operation.source == "poll" and self._repeats_a_read(operation))
        return (
            operation.session,
            operation.index,
            "replay" if repeats else operation.source,
            self._disturbed_by(operation) if operation.fault else "",
        )

    def _repeats_a_read(self, operation: Operation) -> bool:
        """Whether a poll asks for what its session was reading, and not for an address that a contract declares."""
        first = self._context.by_id.get(operation.parent)
        return first is not None and first.name == operation.name

    def _disturbed_by(self, operation: Operation) -> str:
        if operation.fault in LATE:
            # Nothing has happened yet to the first; the other may meet what its session has removed since.
            return AFTERWARDS if comes_later(self._context, operation) else ""
        if operation.fault == REORDER:
            swapped = self._swapped[operation.step, operation.replay]
            # The later one is sent first, and is the only one where the session ends with it.
            before = len(swapped) == 1 or operation.index > min(swapped)
            return f"{REORDER}, sent {'early' if before else 'late'}"
        if operation.fault == LOST and not operation.parent:
            return ""  # to the service it is as any other request: only its answer is kept from the client
        return self._context.family(operation)

    def overtook(self, operation: Operation) -> bool:
        """Whether it was answered as an undisturbed request is, and the other one of two that overtook each other
        was not. Then it met what the other one meets in the controls, and the other way round.
        """
        if operation.fault != OVERTAKEN:
            return False
        first = operation.parent or operation.id
        read_back = (entry for entry in self._context.groups.operations(sent_by("sweep")) if entry.parent == first)
        pair = [*self._context.children.get(first, ()), *read_back, self._context.by_id.get(first)]
        alone = self.classes.get((*self.place(operation)[:3], ""), set())
        return [entry.id for entry in pair if entry and entry.response and entry.response.status // 100 in alone] == [
            operation.id
        ]

    def follows_shorter_session(self, operation: Operation) -> bool:
        """Whether a duplicate comes after a session that ended before its time: what the rest of it would have
        removed or changed is still there.
        """
        first = self._context.by_id.get(operation.parent)
        if first is None or operation.fault not in LATE or not comes_later(self._context, operation):
            return False
        reached, furthest = self._context.once(_lengths)
        return reached[first.step, first.replay] < furthest[first.session]

    def known(self, at: Place) -> set[int]:
        """The status classes seen at a place. Two requests at once may come out as any one after the other would.

        Where work was always done before it was read in the controls, the recording still says how it looks before.
        """
        found = set(self.classes.get(at, ()))
        if found:
            found |= self._on_the_way.get(at[:2], set())
        if found and at[3] == AT_ONCE:
            for family in IN_TURN:
                found |= self.classes.get((*at[:3], family), set())
        return found


def _lengths(context: Context) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """The last exchange that each replay came to, and the last one of each session in the controls with all old."""
    reached: dict[tuple[str, str], int] = defaultdict(int)
    furthest: dict[str, int] = defaultdict(int)
    for group, operation in context.groups.pairs(sent_by("replay")):
        replay = (operation.step, operation.replay)
        reached[replay] = max(reached[replay], operation.index)
        if group.phase == "control-old":
            furthest[operation.session] = max(furthest[operation.session], operation.index)
    return reached, furthest


def shape_key(operation: Operation, response: Response) -> tuple[str, str, int]:
    return (operation.service, operation.name, response.status // 100)


def comes_later(context: Context, operation: Operation) -> bool:
    """Whether it is a duplicate from another step: a retry in the same one is its client's own."""
    return bool(operation.parent) and context.by_id.get(operation.parent, operation).step != operation.step

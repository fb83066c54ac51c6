"""What is no loss though a value reads differently: a cache that lags, a state that goes on, a number of all clients.

Every value that is tolerated is counted with its reason, so that a reader of the report can disagree.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection

from verifier.checks.context import Context
from verifier.checks.readings import READS, Learned
from verifier.checks.relations import NOTHING, Reading
from verifier.checks.renderings import EMPTY, shown_at, values_of
from verifier.checks.replays import Origin, origin
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation
from verifier.pointers import MISSING

READ_AGAIN = 0.1  # seconds after a write in which a cache may lag, if the same version reads it right afterwards
FULL = 5  # clients that are shown as many entries as anybody is, where a list has pages
TIMES = 3  # of the longest lag that a control shows: a mixture may be slower
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
LAG = "a cache lags no longer than in the controls"
READ_LATER = "it was read as usual soon afterwards"
UNDER_WAY = "accepted work that had not ended yet; its completion is judged by itself"
ON_ITS_WAY = "a state that went on, as it does in the controls"
SHARED_NUMBER = "a number of a resource that all clients share"
VARIES = "it varies in the controls by itself"
ALWAYS = "the version shows it so in its control, too"
RENDERING = "another rendering of the same value"
REMOVED = "the version has no such endpoint, which is told as a break of compatibility"
LED_AWAY = "the old version by itself redirects most of these read-backs, too"
BROKEN = "the old version by itself always answers with an error there"
OTHERWISE = "one version always tells it in a way of its own"
NEXT_PAGE = "the list is cut where it was full, and may go on"
FILLED = "it was empty and holds a value now"
Resource = tuple[str, Origin, str, str]


class Tolerance:
    """Asks the controls, and later reads of the same resource, whether a difference is to be expected."""

    def __init__(self, context: Context, learned: Learned) -> None:
        self._context, self._learned = context, learned
        self.counted: Counter[tuple[str, str]] = Counter()  # by place and reason
        self._shown_lengths: dict[tuple[str, str, str], Counter[int]] = {}
        self._versions = {
            (group.service, group.version) for group in context.groups.where(lambda group: group.source in READS)
        }

    def grant(self, operation: Operation, pointer: str, reason: str) -> bool:
        """Count a difference as tolerated. Always true."""
        self.counted[f"{operation.service} {operation.name}: {pointer or 'the body'}", reason] += 1
        return True

    def under_way(self, reading: Reading, pointer: str, shown: frozenset[str]) -> bool:
        """Whether a response does not have yet what accepted work is to make: no value, or no entry in a list."""
        lacks = "*" in pointer or shown <= {EMPTY}
        return lacks and self.grant(reading.operation, pointer, UNDER_WAY)

    def goes_on(self, reading: Reading, pointer: str) -> bool:
        """Whether an entry may stand on another page of a list that all clients share.

        Such a list stops growing: many clients are shown equally many entries, and nobody is shown more.
        """
        operation, at = reading.operation, pointer.partition("/*")[0]
        if "*" not in pointer or not self._learned.replays.is_shared(operation):
            return False
        lengths = self._lengths(operation.service, operation.name, at)
        most = max(lengths, default=0)
        full = lengths[most] >= FULL and _length(operation, at) == most
        return full and self.grant(operation, pointer, NEXT_PAGE)

    def _lengths(self, service: str, name: str, at: str) -> Counter[int]:
        """How many entries clients were shown in a list, with the number of reads that showed so many."""
        place = (service, name, at)
        if place not in self._shown_lengths:
            self._shown_lengths[place] = Counter(
                length
                for operation in self._context.groups.operations(
                    lambda group: (group.service, group.name) == (service, name) and group.source in ("replay", "live")
                )
                if (length := _length(operation, at)) is not None
            )
        return self._shown_lengths[place]

    def moves(self, reading: Reading, pointer: str) -> bool:
        """Whether a value changes without a write of this client: with time, or as a number that all clients share."""
        operation = reading.operation
        if (operation.service, operation.name, pointer) in self._learned.moving:
            return self.grant(operation, pointer, VARIES)
        shown = reading.values.get(pointer, NOTHING)
        counts = bool(shown) and all(_NUMBER.fullmatch(text) for text in shown)
        if counts and self._learned.replays.is_shared(operation):
            return self.grant(reading.operation, pointer, SHARED_NUMBER)
        return False

    def lags(self, reading: Reading, pointer: str, age: float, shown: frozenset[str], wanted: set[str]) -> bool:
        """Whether an older value is shown so soon after the write that the cache of a control would show it too.

        Without such a control a value may be late by READ_AGAIN at most, and the same version must have it right later.
        """
        operation = reading.operation
        older = shown <= {EMPTY} or all(reading.replay.carrying(text) for text in shown)
        if not older:
            return False
        lag = self._learned.lags.get((operation.service, operation.name, pointer), 0.0)
        if lag and age <= TIMES * lag:
            return self.grant(reading.operation, pointer, LAG)
        if age <= READ_AGAIN and any(wanted & texts for texts in self._later(reading, pointer, operation.version)):
            return self.grant(reading.operation, pointer, READ_LATER)
        return False

    def went_on(self, reading: Reading, pointer: str, before: Collection[str], shown: frozenset[str]) -> bool:
        """Whether a state only went on, as a state does in the controls while time passes."""
        operation = reading.operation
        went = (
            bool(before)
            and bool(shown)
            and all(
                any(self._learned.advances_to(operation, pointer, earlier, now) for earlier in before) for now in shown
            )
        )
        return went and self.grant(operation, pointer, ON_ITS_WAY)

    def settles(self, reading: Reading, pointer: str, usual: set[frozenset[str]]) -> bool:
        """Whether the resource shows what it usually does when it is read later: work had not ended yet.

        The version that was wrong has to be right then, if it is asked again at all.
        """
        wanted = {text for texts in usual for text in texts}
        service, version = reading.operation.service, reading.operation.version
        versions = {found for name, found in self._versions if name == service}
        mine = self._later(reading, pointer, version)
        asked = mine or [texts for other in versions for texts in self._later(reading, pointer, other)]
        return any(wanted & texts for texts in asked) and self.grant(reading.operation, pointer, READ_LATER)

    def _later(self, reading: Reading, pointer: str, version: str) -> list[frozenset[str]]:
        """What later reads of the same resource through a version show at a pointer."""
        operation, found = reading.operation, []
        for later in self._context.once(_reads).get(_resource(self._context, operation, version), ()):
            if later.started > operation.started and later.response is not None and later.response.status < 300:
                body = body_json(later.response.body)
                values = {} if body is MISSING else values_of(body, reading.replay.own)
                found.append(values.get(pointer, NOTHING))
        return found


def _reads(context: Context) -> dict[Resource, list[Operation]]:
    found: dict[Resource, list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(lambda group: group.source in READS):
        found[_resource(context, operation, operation.version)].append(operation)
    return found


def _resource(context: Context, operation: Operation, version: str) -> Resource:
    return (operation.service, origin(context, operation), operation.request.target, version)


def _length(operation: Operation, at: str) -> int | None:
    """How many entries a response shows in the list at a pointer."""
    shown = shown_at(body_json(operation.response.body), at) if operation.response is not None else MISSING
    return len(shown) if isinstance(shown, list) else None

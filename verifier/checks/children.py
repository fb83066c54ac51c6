"""Child processes that end while the leader of their replica lives on, as a worker beside a web process does.

A process list does not tell why a process is gone: it may have crashed, or have done what it was started for. The
controls tell the two apart. Compared are the last look at a replica (`rehearsal/child_processes.py`) and the looks at
the replicas of the same version in its own control: all old for an old version or one that does not change, all new for
a new one. Processes of one command line are one role. A role is lost

- where none of it is left, and every replica of the control has one in every look that the look before showed, too;
- where some are left, and every replica of the control has the same ones in every look. A pool whose size follows its
  load has not, nor one whose processes are replaced;
- where none is left, its own control has it and loses it too, and the other version's control keeps it. Then a change
  has made it end. The replica must have had it before, for a version may well do without.

So a process that serves one request, runs one command, warms something up or is replaced at once is none: no control
has the same one from look to look, however many of its kind come and go, or the replica has it again at the next.

What one replica of the control loses, none has to keep: it may have had one thing to do, and the other replicas ended
before it was done. So it can be wrong in four ways. A process that crashes in a control now and then is not missed in a
mixture that always loses it; it is told with what was tolerated. A process that has one thing to do, and needs longer
for it than a whole control takes, is taken for one that lasts; so is a pool that was never idle in the controls, and
ends its last process when it is. And a process that only the new version has, and that it always loses, is taken for
one with one thing to do; it is told with what was tolerated.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from verifier.checks.context import Context, as_control
from verifier.history.model import Phase, ReplicaEvent

CHILDREN = frozenset({"children", "child-ended"})
OWN = "its own control loses it too, and no other version keeps it"
_Version = tuple[str, str]  # service, version


@dataclass(frozen=True, slots=True)
class Lost:
    """A replica has `found` processes of a role, fewer than the controls have. `event` tells it first."""

    event: ReplicaEvent
    role: str
    found: int
    usual: int


@dataclass(frozen=True, slots=True)
class _Usual:
    count: int  # how many processes of a role every replica of the control has in every look
    constant: bool  # all of them have as many in every look
    most: int  # in any look

    def misses(self, found: int) -> bool:
        return (not found and self.count > 0) or (self.constant and found < self.count)


def lost(context: Context) -> list[Lost]:
    """The roles that replicas have lost, each once for a replica. Use it with `context.once`."""
    looks = _looks(context)
    usual = _usual(context, looks)
    found: list[Lost] = []
    for events in looks.values():
        version = (events[0].service, events[0].version)
        others = [roles for other, roles in usual.items() if other[0] == version[0] and other != version]
        found += _lost(events, usual.get(version, {}), others)
    return found


def gone(context: Context) -> Iterator[tuple[ReplicaEvent, str]]:
    """The roles that replicas have lost without any harm that can be told, with the event."""
    told = {(entry.event.replica, entry.role) for entry in context.once(lost)}
    for events in _looks(context).values():
        last = events[-1]
        if last.what == "child-ended":
            for role, count in counts(last).items():
                if not count and (last.replica, role) not in told:
                    yield last, role


def counts(event: ReplicaEvent, *, fewest: bool = False) -> Counter[str]:
    """How many processes of each role live, from the detail of an event: the most that a look saw, or the fewest."""
    split = (line.partition(" ") for line in event.detail.splitlines())
    return Counter({role: int(count.split("..")[0 if fewest else -1]) for count, _, role in split})


def _looks(context: Context) -> dict[str, list[ReplicaEvent]]:
    """What was told of each replica, in order of time."""
    found: dict[str, list[ReplicaEvent]] = defaultdict(list)
    for event in context.history.replicas:
        if event.what in CHILDREN:
            found[event.replica].append(event)
    return found


def _usual(context: Context, looks: Mapping[str, list[ReplicaEvent]]) -> dict[_Version, dict[str, _Usual]]:
    """What the replicas of each version have in its own control, by role."""
    old = {(entry.name, entry.old) for entry in context.history.run.services}
    seen: dict[_Version, list[list[ReplicaEvent]]] = defaultdict(list)
    for events in looks.values():
        version = (events[0].service, events[0].version)
        own: Phase = "control-old" if version in old else "control-new"
        here = [event for event in events if _phase(context, event) == own]
        if here:
            seen[version].append(here)
    return {version: _of_replicas(replicas) for version, replicas in seen.items()}


def _of_replicas(replicas: list[list[ReplicaEvent]]) -> dict[str, _Usual]:
    found = {}
    least = [[counts(event, fewest=True) for event in events] for events in replicas]
    greatest = [counts(event) for events in replicas for event in events]
    for role in {role for look in greatest for role in look}:
        fewest = sorted(min(look[role] for look in looks) for looks in least)
        most = max(look[role] for look in greatest)
        found[role] = _Usual(fewest[0], fewest[0] == most, most)
    return found


def _phase(context: Context, event: ReplicaEvent) -> Phase | None:
    step = context.steps.get(event.step)
    return None if step is None else as_control(step)


def _lost(events: list[ReplicaEvent], own: Mapping[str, _Usual], others: list[dict[str, _Usual]]) -> Iterator[Lost]:
    looks = [counts(event) for event in events]
    last = looks[-1]
    for role in sorted({*last, *own}):
        usual = own.get(role, _Usual(0, constant=False, most=0))
        if not usual.misses(last[role]):
            kept = any(role in found and found[role].count for found in others)
            had = usual.most and max(look[role] for look in looks)
            if usual.count or last[role] or not kept or not had:
                continue
            usual = replace(usual, count=1)
        since = len(looks)
        while since and usual.misses(looks[since - 1][role]):
            since -= 1
        yield Lost(events[since], role, last[role], usual.count)

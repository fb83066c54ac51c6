"""Looks at the processes that replicas have started, and tells in the history when there are fewer or more of them.

A look is taken when a replica is ready, at the end of every step, and before the replica is told to end. An event
`children` tells how many processes of each role live, at first and where that has changed; `child-ended` tells the same
where there are fewer of a role than at the look before. Whether that is a defect is judged later, against the controls
(`checks/children.py`).

A supervisor needs a moment to replace a process that has ended. Where a role has fewer processes than before, the look
is taken again until they are there, for `REPLACED_WITHIN` seconds. A path waits in vain for a role of a version only
once, and no more than `MOST_IN_VAIN` times.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from verifier.runtime.base import Runtime

REPLACED_WITHIN = 3.0
MOST_IN_VAIN = 4
WIDTH = 160  # characters of a role
_AGAIN = 0.05
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)\S+")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:=,'\"]+/)+")
_NUMBER = re.compile(r"\b(?=[0-9a-f-]*[0-9])[0-9a-f]{8}[0-9a-f-]*\b|[0-9]+")
Tell = Callable[[str, str, str, str, str], None]  # replica, service, version, what, detail


def role(command: str) -> str:
    """What tells the processes of one purpose from others, equal in all replicas of a version: the command line.

    Numbers, folders and addresses differ between replicas, such as a port, a pipe or the place of a store.
    """
    plain = _FOLDERS.sub("", _URL.sub(r"\1", " ".join(command.split())))
    return _NUMBER.sub("N", plain)[:WIDTH]


def described(most: Counter[str], first: Set[str], fewest: Counter[str] | None = None) -> str:
    """The detail of an event: a line `COUNT ROLE` for each role, those in `first` before the others.

    The count is `FEWEST..MOST` where not all of them lived through from the look before until the end of this one.
    """
    order = sorted(most, key=lambda name: (name not in first, name))
    least = most if fewest is None else fewest
    return "\n".join(
        f"{least[name]}..{most[name]} {name}" if least[name] < most[name] else f"{most[name]} {name}" for name in order
    )


@dataclass(slots=True)
class ChildProcesses:
    """Those of all replicas of one path."""

    runtime: Runtime
    tell: Tell
    _last: dict[str, Counter[str]] = field(default_factory=dict)  # by replica: what the last look showed
    _ids: dict[str, dict[str, str]] = field(default_factory=dict)  # by replica: the role of each process that it showed
    _told: dict[str, tuple[Counter[str], str]] = field(default_factory=dict)  # what was told; what has gone as 0
    _in_vain: set[tuple[str, str, str]] = field(default_factory=set)

    async def begin(self, replica: str) -> None:
        """Take the first look. It tells nothing, because a replica that is ready may still be starting processes."""
        if (living := await self._living(replica)) is not None:
            self._last[replica], self._ids[replica] = Counter(living.values()), living

    async def look(self, replica: str, service: str, version: str) -> None:
        if replica not in self._last:
            return
        last, (told, before) = self._last[replica], self._told.get(replica, (Counter(), None))
        settled = await self._settled(replica, service, version, last)
        if settled is None:
            return
        fewest, found, self._ids[replica] = settled
        if found != last and await self.runtime.exited(replica) is not None:
            return  # where the leader ends, the others end with it
        fewer = {name for name in last if found[name] < last[name]}
        shown = Counter({name: found[name] for name in {*found, *told, *fewer}})
        text = described(shown, set(), fewest)
        if text != before or fewer:
            what = "child-ended" if fewer else "children"
            self.tell(replica, service, version, what, described(shown, fewer, fewest))
        self._last[replica], self._told[replica] = found, (shown, text)

    def forget(self, replica: str) -> None:
        self._last.pop(replica, None)
        self._ids.pop(replica, None)
        self._told.pop(replica, None)

    async def _settled(
        self, replica: str, service: str, version: str, last: Counter[str]
    ) -> tuple[Counter[str], Counter[str], dict[str, str]] | None:
        """The fewest and the most of each role and who lives, once the processes that ended are replaced, if they are.

        Of several roles each is replaced at a moment of its own: it is there if it was seen meanwhile. It lasts only if
        it was never missing, and of the processes of a role that was there before only those that lived through.
        """
        loop = asyncio.get_running_loop()
        until, most, fewest = loop.time() + REPLACED_WITHIN, Counter[str](), None
        while (living := await self._living(replica)) is not None:
            found = Counter(living.values())
            most |= found
            fewest = self._lived_through(replica, last, living) if fewest is None else fewest & found
            self._in_vain -= {(service, version, name) for name in most if most[name] > last[name]}  # it comes back
            missing = {(service, version, name) for name in last if most[name] < last[name]} - self._in_vain
            if not missing or len(self._in_vain) >= MOST_IN_VAIN:
                return fewest, most, living
            if loop.time() >= until:
                self._in_vain |= missing
                return fewest, most, living
            await asyncio.sleep(_AGAIN)
        return None

    def _lived_through(self, replica: str, last: Counter[str], living: dict[str, str]) -> Counter[str]:
        """How many processes of each role the look before showed, too; of a role that is new, all of them."""
        before = self._ids.get(replica, {})
        return Counter(name for child, name in living.items() if not last[name] or before.get(child) == name)

    async def _living(self, replica: str) -> dict[str, str] | None:
        """The role of each process, by its id."""
        found = await self.runtime.child_processes(replica)
        return None if found is None else {child.id: role(child.command) for child in found}

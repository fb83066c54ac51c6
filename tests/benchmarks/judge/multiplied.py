"""A stored run as if many times as many clients had taken part: every replay several times, each with ids of its own.

A copy has sessions, replays, keys, ids and bodies of its own, and they fit together as those of the original do. What
the copies share is what clients share: services, versions, steps and replicas. So every copy shows what the original
shows, and the verdict is the same.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from msgspec import structs

from verifier.history.model import End, FaultInjected, History, Operation
from verifier.history.store import HistoryWriter, read, write_value
from verifier.http.message import Headers, Request, Response
from verifier.plan.model import Path as PlanPath
from verifier.plan.model import Plan, PlannedStep
from verifier.rehearsal.run_directory import stored_plan

_ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8,}(?![0-9A-Za-z])")
_ID_IN_BYTES = re.compile(_ID.pattern.encode())
_RANGE, _STRIDE = 16**8, 0x9E3779B1  # the first eight digits are moved by an odd stride: no two ids become one


@dataclass(frozen=True, slots=True)
class _Copy:
    """The names of one copy; number 0 is the original."""

    number: int

    def name(self, text: str) -> str:
        """A name that the verifier gave: of a session, a replay or an operation."""
        return f"{text}~{self.number}" if self.number and text else text

    def text(self, text: str) -> str:
        """A text with ids of the services or of clients: hexadecimal, such as a UUID."""
        return _ID.sub(lambda found: self._moved(found[0]), text) if self.number else text

    def body(self, body: bytes) -> bytes:
        return _ID_IN_BYTES.sub(lambda found: self._moved(found[0].decode()).encode(), body) if self.number else body

    def _moved(self, digits: str) -> str:
        return f"{(int(digits[:8], 16) + self.number * _STRIDE) % _RANGE:08x}{digits[8:]}"

    def _headers(self, headers: Headers) -> Headers:
        return tuple((name, self.text(value)) for name, value in headers)

    def operation(self, found: Operation) -> Operation:
        asked, came = found.request, found.response
        return structs.replace(
            found,
            id=self.name(found.id),
            replay=self.name(found.replay),
            session=self.name(found.session),
            parent=self.name(found.parent),
            request=Request(asked.method, self.text(asked.target), self._headers(asked.headers), self.body(asked.body)),
            response=came and Response(came.status, self._headers(came.headers), self.body(came.body)),
            produced=tuple((name, self.text(value)) for name, value in found.produced),
        )

    def fault(self, found: FaultInjected) -> FaultInjected:
        return structs.replace(found, replay=self.name(found.replay), operation=self.name(found.operation))

    def end(self, found: End) -> End:
        return structs.replace(
            found,
            replay=self.name(found.replay),
            session=self.name(found.session),
            operation=self.name(found.operation),
            last=self.name(found.last),
        )

    def step(self, found: PlannedStep) -> PlannedStep:
        copies = (replace(entry, id=self.name(entry.id), session=self.name(entry.session)) for entry in found.replays)
        return replace(found, replays=tuple(copies))


def write(run: Path, target: Path, operations: int) -> None:
    """Write a run directory with about that many operations, or some more."""
    for name in ("inputs", "inputs.json", "timing.json"):
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, target / name)
    history, plan = read(run), stored_plan(run)
    copies = [_Copy(number) for number in range(-(-operations // len(history.operations)))]
    write_value(target / "plan.json", _plan(plan, copies))
    writer = HistoryWriter(target, history.run)
    for operation in _operations(history, copies):
        writer.add(operation)
    for copy in copies:
        for fault in history.faults:
            writer.add(copy.fault(fault))
        for end in history.ends:
            writer.add(copy.end(end))
    for records in (history.steps, history.replicas, history.notes):
        for record in records:
            writer.add(record)
    writer.finish()
    writer.close()


def _operations(history: History, copies: Iterable[_Copy]) -> Iterator[Operation]:
    """The copies of a step stand one after the other, in its place. What no client asked for is there once."""
    made_up = {entry.id for entry in history.operations if entry.source == "proof"}
    for _, found in groupby(history.operations, key=lambda entry: entry.step):
        here = list(found)
        for copy in copies:
            for entry in here:
                once = entry.id in made_up or entry.parent in made_up
                if not copy.number or not once:
                    yield copy.operation(entry)


def _plan(plan: Plan, copies: list[_Copy]) -> Plan:
    def planned(path: PlanPath) -> PlanPath:
        return replace(path, steps=tuple(_together(step, copies) for step in path.steps))

    return replace(
        plan,
        paths=tuple(map(planned, plan.paths)),
        confirmation=tuple(map(planned, plan.confirmation)),
        sessions=tuple(replace(entry, id=copy.name(entry.id)) for copy in copies for entry in plan.sessions),
    )


def _together(step: PlannedStep, copies: list[_Copy]) -> PlannedStep:
    return replace(step, replays=tuple(entry for copy in copies for entry in copy.step(step).replays))

"""One recording, replayed many times on one store: `python -m tests.zoo.kinto.fifty matrices/kinto.yaml [TIMES]`.

All replays go to the old releases of a matrix, on stores that keep everything from the first replay to the last.
Every answer is held against the recorded one: the same status, the same shape in both directions, no shorter list, and
the same values wherever the first replay repeated the recorded ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from verifier.checks.shapes import Shape
from verifier.checks.values import leaves
from verifier.contracts.expressions import body_json
from verifier.history.model import History, Operation
from verifier.history.store import read
from verifier.http.message import Response
from verifier.plan.model import Plan, Replay
from verifier.pointers import MISSING
from verifier.rehearsal.events import Event
from verifier.rehearsal.prepare import Prepared, prepare
from verifier.rehearsal.walk import Rehearsal
from verifier.replay.replay_script import ReplayScript
from verifier.runtime.select import make

HEADERS = ("content-type", "total-records", "total-objects", "location", "etag", "last-modified")


@dataclass(frozen=True, slots=True)
class Result:
    """Counts, and the texts of what should not be. `exchanges` were answered in `replays` replays of `sessions`."""

    sessions: int
    replays: int
    exchanges: int
    unmatched: tuple[str, ...]
    ambiguous: tuple[str, ...]
    differences: tuple[str, ...]
    counts: tuple[str, ...]  # sent, received and answered that do not add up


def replayed(matrix: Path, times: int, seed: int = 0) -> Result:
    """Raises BadInput and BrokenEnvironment as a run does."""
    prepared = prepare(matrix, seed)[0]
    prepared = replace(prepared, plan=_many(prepared, times))
    with tempfile.TemporaryDirectory(prefix="fifty-") as folder:
        directory = Path(folder) / "run"
        directory.mkdir()
        runtime = make("process", f"fifty-{secrets.token_hex(4)}", directory)
        asyncio.run(Rehearsal(prepared, runtime, "", directory, _silent).run())
        return _result(prepared, read(directory))


def _silent(_: Event) -> None:
    pass


def _many(prepared: Prepared, times: int) -> Plan:
    """The plan's first control, cut down to its start, with every session many times and no fault."""
    plan, matrix = prepared.plan, prepared.matrix
    control = plan.paths[0]
    rows = {
        name: tuple(matrix.service(service).old.name for service in replay_script.services)
        for name, replay_script in prepared.replay_scripts.items()
    }
    replays = tuple(
        Replay(f"r{number}-{position}", name, row)
        for number in range(1, times + 1)
        for position, (name, row) in enumerate(rows.items(), 1)
    )
    return replace(plan, paths=(replace(control, steps=(replace(control.steps[0], replays=replays),)),))


def _result(prepared: Prepared, history: History) -> Result:
    sent = [operation for operation in history.operations if operation.source == "replay"]
    told = {kind: tuple(note.message for note in history.notes if note.kind == kind) for kind in KINDS}
    return Result(
        sessions=len(prepared.replay_scripts),
        replays=len({(operation.step, operation.replay) for operation in sent}),
        exchanges=sum(operation.response is not None for operation in sent),
        unmatched=told["unmatched"],
        ambiguous=told["ambiguous"],
        differences=tuple(_differences(prepared.replay_scripts, sent, history.operations)),
        counts=told["count"],
    )


KINDS = ("unmatched", "ambiguous", "count")


def _differences(
    replay_scripts: dict[str, ReplayScript], sent: Sequence[Operation], everything: Sequence[Operation]
) -> Iterator[str]:
    # Of a read that was repeated, the last answer counts, as in the recording.
    lasts = {(entry.parent, entry.request.target): entry for entry in everything if entry.source == "poll"}
    by_place: dict[tuple[str, int], list[Operation]] = defaultdict(list)
    for operation in sent:
        by_place[operation.session, operation.index].append(
            lasts.get((operation.id, operation.request.target), operation)
        )
    for name, replay_script in replay_scripts.items():
        replays = len({operation.replay for operation in sent if operation.session == name})
        for index, step in enumerate(replay_script.script.steps):
            found = by_place.get((name, index), [])
            if len(found) < replays:
                yield f"{name}#{index + 1} {step.name}: sent in {len(found)} of {replays} replays"
            for operation, what in differing(step.exchange.response, found):
                yield f"{name}#{index + 1} {operation.request.method} {operation.request.target}: {what}"


def differing(recorded: Response, found: Sequence[Operation]) -> Iterator[tuple[Operation, str]]:
    steady: dict[str, str] | None = None
    wanted, known = _facts(recorded), body_json(recorded.body)
    for operation in found:
        answer = operation.response
        if answer is None or answer.status != recorded.status:
            yield operation, f"was {recorded.status}, is {answer.status if answer else operation.error}"
            continue
        yield from ((operation, what) for what in _shapes(known, body_json(answer.body)))
        facts = _facts(answer)
        if steady is None:
            steady = {place: value for place, value in wanted.items() if facts.get(place) == value}
        for place, value in steady.items():
            if facts.get(place) != value:
                yield operation, f"{place} was {value} in the recording and the first replay, is {facts.get(place)}"


def _shapes(one: Any, other: Any) -> Iterator[str]:
    if MISSING in (one, other):
        if one is not other:
            yield "a body that was JSON is none, or the reverse"
        return
    for before, after, how in ((one, other, "recorded"), (other, one, "replayed")):
        shape = Shape()
        shape.learn(before)
        yield from (f"{misfit.pointer} {misfit.what} in the body that was not {how}" for misfit in shape.misfits(after))
    # More entries are no loss: what earlier replays have left may rightly be listed.
    now = _lengths(other)
    yield from (f"{place} has {now.get(place)} entries, had {had}" for place, had in _lengths(one).items()
                if now.get(place, 0) < had)  # fmt: skip


def _lengths(value: Any, pointer: str = "") -> dict[str, int]:
    if isinstance(value, dict):
        return {
            place: size for name, item in value.items() for place, size in _lengths(item, f"{pointer}/{name}").items()
        }
    if isinstance(value, list):
        inner = (_lengths(item, f"{pointer}/{at}").items() for at, item in enumerate(value))
        return {pointer: len(value)} | {place: size for found in inner for place, size in found}
    return {}


def _facts(answer: Response) -> dict[str, str]:
    """Every scalar of the body and every telling header, by place; several at one place become one text."""
    found: dict[str, list[str]] = defaultdict(list)
    body = body_json(answer.body)
    for pointer, value in leaves(body) if body is not MISSING else ():
        found[pointer].append(value)
    for name, value in answer.headers:
        if name.lower() in HEADERS:
            found[name.lower()].append(value)
    return {place: ", ".join(sorted(values)) for place, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.kinto.fifty")
    parser.add_argument("matrix", type=Path)
    parser.add_argument("times", type=int, nargs="?", default=50)
    options = parser.parse_args()
    print(json.dumps(asdict(replayed(options.matrix, options.times)), indent=1))


if __name__ == "__main__":
    main()

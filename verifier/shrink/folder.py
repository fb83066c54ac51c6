"""The folder of a reproduction: matrix, recording, contracts, plan, and the line that runs them.

FOLDER/matrix.yaml  recording.har  contracts/…  plan.json  README.md  test_reproduction.py

It is written beside its place and renamed when it is complete, and only after it has shown the violation from there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.errors import BadInput
from verifier.history.store import read_value, write_value
from verifier.matrix.model import Traffic
from verifier.plan.confirmation import Target
from verifier.plan.model import Plan
from verifier.recording.harwriter import HarWriter
from verifier.recording.model import Recording
from verifier.rehearsal.prepare import Prepared, prefix_of, prepare
from verifier.rehearsal.run_directory import Inputs
from verifier.shrink.matrix_copy import Moved, matrix_text
from verifier.shrink.opening import StoredViolation, same_pair
from verifier.shrink.sought import Sighting, Sought
from verifier.shrink.trial import Bench, Candidate, States
from verifier.shrink.units import FAULT, aimed, part

FINAL_TRIES = 10  # of the reproduction itself
PYTEST = "test_reproduction.py"


@dataclass(frozen=True, slots=True)
class Written:
    """A reproduction in a folder: its plan, how often it has shown the violation, and in how many seconds."""

    plan: Plan
    sighting: Sighting
    seconds: float


def write(
    opened: StoredViolation, bench: Bench, states: States, candidate: Candidate, run: Path, folder: Path
) -> Prepared:
    """Write what can be run: matrix, recordings, contracts and plan. Returns it, read from there as from any matrix."""
    folder.mkdir(parents=True)
    lines: list[dict[int, int]] = []
    recordings: list[tuple[Traffic, str]] = []
    kept = [
        (number, [at for replay, at in candidate if replay == number and at != FAULT])
        for number in range(len(bench.replays))
    ]
    used = [(number, places) for number, places in kept if places]
    for number, places in used:
        entry = bench.replays[number]
        name = "recording.har" if len(used) == 1 else f"recording-{number + 1}.har"
        lines.append(_write_recording(folder / name, part(entry, places)))
        recordings.append((entry.traffic, name))
    for traffic in opened.prepared.matrix.traffic if not used else ():  # nothing is replayed, but a matrix needs one
        recordings.append((traffic, str(traffic.recording)))
    inputs: Inputs = read_value(run / "inputs.json", Inputs)
    if (run / "inputs" / "contracts").is_dir():
        shutil.copytree(run / "inputs" / "contracts", folder / "contracts")
    contracts = {
        (item.service, item.version): folder / Path(item.file).relative_to("inputs") for item in inputs.contracts
    }
    moved = Moved(opened.matrix.parent, folder, contracts)
    why = f"Reproduces {Sought.of(opened.violation)}.\n{opened.violation.message}"
    text = matrix_text(run / "inputs" / "matrix.yaml", opened.prepared.matrix, moved, recordings, why)
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    prepared = same_pair(prepare(folder / "matrix.yaml", opened.plan.seed), opened.history, folder / "matrix.yaml")
    targets = tuple(_targets(bench, prepared, [number for number, _ in used], lines, candidate))
    scripts = prepared.replay_scripts if used else {}
    plan = replace(bench, prepared=prepared).planned(states, scripts, targets, FINAL_TRIES)
    write_value(folder / "plan.json", plan)
    return replace(prepared, plan=plan, replay_scripts=scripts)


def _write_recording(file: Path, recording: Recording) -> dict[int, int]:
    """Write the exchanges as they were recorded. Returns the entry that each entry of the file was."""
    exchanges = [(item, session.id) for session in recording.sessions for item in session.exchanges]
    exchanges.sort(key=lambda entry: (entry[0].at, entry[0].line))
    with HarWriter(file, redact=None, began=recording.began) as har:
        for item, session in exchanges:
            har.add(item, session)
    return {number: item.line for number, (item, _) in enumerate(exchanges, 1)}


def _targets(
    bench: Bench, prepared: Prepared, used: list[int], lines: list[dict[int, int]], candidate: Candidate
) -> Iterator[Target]:
    for position, number in enumerate(used):
        entry = bench.replays[number]
        name = f"{prefix_of(prepared.matrix, position + 1)}{entry.session}"
        script = prepared.replay_scripts[name].script
        target = aimed(entry, script, name, (number, FAULT) in candidate, lines[position])
        if target is None:
            raise BadInput.one(prepared.matrix.file, "is not read as what was searched; please report it")
        yield target


def write_texts(folder: Path, opened: StoredViolation, written: Written, line: str, pytest: bool) -> None:
    """The README of the folder, and on request a test for pytest."""
    violation = opened.violation
    (folder / "README.md").write_text(
        f"# {Sought.of(violation)}\n\n{violation.message}\n\n"
        f"What the user would have seen: {violation.experience}\n\n"
        f"```sh\n{line}\n```\n\n"
        f"It has shown the violation in {written.sighting}, in {written.seconds:.1f} s. Each replay stands several "
        "times in `plan.json`, in the state that shows the violation and in its controls.\n\n"
        "The paths in `matrix.yaml` to programs, data and secrets are relative to this folder.\n",
        encoding="utf-8",
    )
    if pytest:
        (folder / PYTEST).write_text(test_text(opened), encoding="utf-8")


def test_text(opened: StoredViolation) -> str:
    """A test that fails as long as the violation shows."""
    sought = Sought.of(opened.violation)
    names = (sought.guarantee, sought.attribution, sought.service, sought.operation)
    wanted = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    return f'''"""Fails as long as the deployment violates a guarantee. Written by `verifier shrink`."""

VIOLATION = ({wanted})


def test_the_violation_is_gone(mixed_version):
    result = mixed_version("matrix.yaml", plan="plan.json", runtime={json.dumps(opened.history.run.runtime)})
    found = [(entry.guarantee, entry.attribution, entry.service, entry.operation) for entry in result.violations]
    assert VIOLATION not in found, result.report
'''

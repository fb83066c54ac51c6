"""Opens a stored run, to look for the smallest reproduction of one of its violations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verifier.checks.verdict import Violation
from verifier.errors import BadInput
from verifier.history.model import History
from verifier.history.store import read_value
from verifier.plan.model import Plan
from verifier.recording.load import load
from verifier.rehearsal.filtering import filtered
from verifier.rehearsal.judging import load_and_judge
from verifier.rehearsal.pairs import has_pairs
from verifier.rehearsal.prepare import Prepared, prefix_of, prepare
from verifier.rehearsal.run_directory import Inputs
from verifier.report.ids import named
from verifier.shrink.sought import Proof, Proven, proven
from verifier.shrink.units import Replayed, replayed


@dataclass(frozen=True, slots=True)
class StoredViolation:
    """A violation of a stored run, and what can show it again. `matrix` is the file that the run read."""

    violation: Violation
    history: History
    plan: Plan
    prepared: Prepared
    proven: Proven
    replays: tuple[Replayed, ...]
    matrix: Path


def open_run(run: Path, wanted: str) -> StoredViolation:
    """The violation with this id of a run. Its matrix is taken from the run, and all else as it is now.

    Raises BadInput if there is no such violation, if it cannot be shown by a run, or if the inputs have changed too
    much for that.
    """
    if has_pairs(run):
        raise BadInput.one(run, f"has several pairs of versions; name one of {run / 'pairs'}/*")
    judgement, history, plan = load_and_judge(run)
    violation = named(judgement, wanted)
    found = proven(violation, history, plan)
    if not violation.evidence:
        raise BadInput.one(wanted, "the contracts alone show this violation, so there is nothing to run")
    inputs: Inputs = read_value(run / "inputs.json", Inputs)
    matrix = Path(inputs.matrix)
    if not matrix.parent.is_dir():
        raise BadInput.one(matrix, "is where the run was started from, and its folder is not there any more")
    copy = run / "inputs" / "matrix.yaml"
    prepared = same_pair(prepare(copy, plan.seed, folder=matrix.parent), history, copy)
    replays = tuple(_replayed(prepared, proof) for proof in found.proofs)
    return StoredViolation(violation, history, plan, prepared, found, replays, matrix)


def same_pair(every: tuple[Prepared, ...], history: History, matrix: Path) -> Prepared:
    """The pair of versions that a run has rehearsed. Raises BadInput if there is none."""
    wanted = {(entry.name, entry.old, entry.new) for entry in history.run.services}
    for prepared in every:
        if {(entry.name, entry.old.name, entry.new.name) for entry in prepared.matrix.services} == wanted:
            return prepared
    raise BadInput.one(matrix, "does not have the versions of this run")


def _replayed(prepared: Prepared, proof: Proof) -> Replayed:
    matrix, name = prepared.matrix, proof.target.session
    script = prepared.replay_scripts.get(name)
    for number, traffic in enumerate(matrix.traffic, 1):
        prefix = prefix_of(matrix, number)
        if script is None or name != f"{prefix}{script.script.session}" or not name.startswith(prefix):
            continue
        recording, _ = filtered(load(traffic.recording, traffic.session_header), traffic, str(matrix.file))
        if any(session.id == script.script.session for session in recording.sessions):
            _check(proof, len(script.script.steps), traffic.recording)
            return replayed(traffic, recording, script.script, proof.target, proof.shown)
    raise BadInput.one(matrix.file, f"has no recording with the session {name!r} any more")


def _check(proof: Proof, count: int, recording: Path) -> None:
    target = proof.target
    if (target.route and len(target.route) != count) or (target.fault is not None and target.fault.index >= count):
        raise BadInput.one(recording, f"the session {target.session!r} has changed since the run")

"""`verdict.json` of several pairs: the keys of one pair, filled from all of them, and `pairs`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from verifier.report.pairs import PairResult, PairsRun
from verifier.report.verdict_json import SCHEMA

Document = Mapping[str, Any]


def merged(run: PairsRun) -> str:
    """The verdict as JSON text that ends with a newline; equal values give equal bytes.

    Ids of steps and paths have the pair's name in front, because every pair has the same. Counts and times are summed.
    """
    told = [(result, result.document) for result in run.results if result.document is not None]
    document = {
        "schema": SCHEMA,
        "matrix": run.matrix,
        "verdict": run.verdict,
        "seed": run.seed,
        "runtime": run.runtime,
        "steps": _steps(told, "steps"),
        "violations": _violations(told, "violations"),
        "coverage": _coverage(told),
        "timing": {name: round(value, 3) for name, value in _sum(document["timing"] for _, document in told).items()},
        "unknowns": _unknowns(run),
        "tool": run.tool,
        "counts": _counts(told),
        "confirmation": _steps(told, "confirmation"),
        "unconfirmed": _violations(told, "unconfirmed"),
        "tolerated": [{**item, "pair": pair.name} for pair, document in told for item in document["tolerated"]],
        "causes": _causes(told),
        "unused": [f"{pair}: {sentence}" for pair, document in told for sentence in document["unused"]],
        "points_of_no_return": [
            {**point, "path": _id(pair, point["path"]), "step": _id(pair, point["step"]), "pair": pair.name}
            for pair, document in told
            for point in document["points_of_no_return"]
        ],
        "pairs": [{**_told(pair), "name": pair.name} for pair in run.results],
        "attempts": [{**_told(entry), "attempt": entry.attempt} for entry in run.attempts],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _told(pair: PairResult) -> dict[str, Any]:
    told = ("old", "new", "verdict", "directory", "attribution", "cause")
    return {key: getattr(pair, key) for key in told}


def _id(pair: PairResult, step: str) -> str:
    return f"{pair.name}/{step}" if step else ""


def _steps(told: list[tuple[PairResult, Document]], key: str) -> list[Document]:
    return [
        {**step, "id": _id(pair, step["id"]), "path": _id(pair, step["path"]), "pair": pair.name}
        for pair, document in told
        for step in document[key]
    ]


def _violations(told: list[tuple[PairResult, Document]], key: str) -> list[Document]:
    return [
        {
            **violation,
            "step": _id(pair, violation["step"]),
            "steps": [_id(pair, step) for step in violation["steps"]],
            "evidence": [{**entry, "step": _id(pair, entry["step"])} for entry in violation["evidence"]],
            "pair": pair.name,
        }
        for pair, document in told
        for violation in document[key]
    ]


def _causes(told: list[tuple[PairResult, Document]]) -> list[Document]:
    """The defects of all pairs. Their positions are those in the merged list of violations."""
    found: list[Document] = []
    before = 0
    for pair, document in told:
        found += [
            {
                **cause,
                "step": _id(pair, cause["step"]),
                "violations": [before + position for position in cause["violations"]],
                "pair": pair.name,
            }
            for cause in document["causes"]
        ]
        before += len(document["violations"])
    return found


def _unknowns(run: PairsRun) -> list[str]:
    found = []
    for pair in run.results:
        if pair.document is None:
            found.append(f"{pair} was not run: {pair.reason}")
        else:
            found += [f"{pair}: {sentence}" for sentence in pair.document["unknowns"]]
    return found


def _coverage(told: list[tuple[PairResult, Document]]) -> Document:
    found: dict[str, Any] = {
        name: {"covered": 0, "total": 0} | _sum(document["coverage"][name] for _, document in told)
        for name in ("states", "transitions", "routes", "faults")
    }
    found["left_out"] = [
        {**item, "pair": pair.name} for pair, document in told for item in document["coverage"]["left_out"]
    ]
    return found


def _counts(told: list[tuple[PairResult, Document]]) -> Document:
    """Requests in total and by session; a session is replayed in every pair."""
    sessions: dict[str, list[Document]] = {}
    for _, document in told:
        for entry in document["counts"]["sessions"]:
            sessions.setdefault(entry["session"], []).append(entry)
    found: dict[str, Any] = _sum(document["counts"] for _, document in told)
    found["sessions"] = [{"session": name, **_sum(entries)} for name, entries in sorted(sessions.items())]
    return found


def _sum(entries: Iterable[Document]) -> dict[str, Any]:
    """Numbers added up by name."""
    found: Counter[str] = Counter()
    for entry in entries:
        for name, value in entry.items():
            if isinstance(value, int | float):
                found[name] += value  # type: ignore[assignment]
    return dict(found)

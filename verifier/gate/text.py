"""A decision for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verifier.gate.decide import Decision, Heard, Needed, Question
from verifier.gate.model import Build, Live
from verifier.printable import printable

SCHEMA = 1
MOST_REASONS = 5
EXIT = {"yes": 0, "no": 1, "unknown": 3}
_HEADS = {"yes": "YES  you can", "no": "NO  do not", "unknown": "UNKNOWN  evidence is missing to"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the environment that it is about, and when it was asked, as Unix time."""

    question: Question
    environment: str
    live: Live
    now: float


def render(asked: Asked, decision: Decision) -> str:
    """The decision as lines for a terminal, the reasons first and what is missing last."""
    return printable("\n".join(_lines(asked, decision)) + "\n")


def document(asked: Asked, decision: Decision) -> dict[str, Any]:
    """The decision for pipelines. Keys may be added; existing keys keep their meaning."""
    question = asked.question
    return {
        "schema": SCHEMA,
        "reply": decision.reply,
        "status": EXIT[decision.reply],
        "environment": asked.environment,
        "direction": question.direction,
        "targets": {service: _build(build) for service, build in question.targets.items()},
        "live": _builds(asked.live),
        "window": _builds(decision.window),
        "after": _builds(decision.after),
        "against": [_heard(entry, asked.now) for entry in decision.against],
        "evidence": [
            {
                "service": need.service,
                "beside": list(need.others),
                "runs": [_heard(entry, asked.now) for entry in need.shown_by],
                "not_shown": list(need.not_shown),
            }
            for need in decision.needed
        ],
        "missing": list(missing(asked, decision)),
        "assumed": list(assumed(asked, decision)),
    }


def missing(asked: Asked, decision: Decision) -> Iterator[str]:
    """What keeps the answer from being a yes, apart from failures: a sentence each, without a full stop."""
    yield from decision.problems
    for need in decision.missing:
        yield f"no run shows {_told(need, decision.window)}"


def assumed(asked: Asked, decision: Decision) -> Iterator[str]:
    """What the answer takes for granted, a sentence each, without a full stop."""
    question = asked.question
    for service in sorted(question.apart & asked.live.keys()):
        yield f"{service} has nothing to do with this deployment (--apart)"
    if question.before_contract:
        yield "the contract migrations of what is live have not run (--before-contract)"
    if not question.overlap:
        yield "the old build ends before the new one starts (--no-overlap)"
    heard = [entry for need in decision.needed for entry in need.shown_by] + list(decision.against)
    yield from dict.fromkeys(sentence for entry in heard for sentence in entry.bridges)
    by_name = {
        f"{service} {build.version}"
        for entry in heard
        for member in entry.evidence.members
        for service, builds in decision.window.items()
        if service == member.service
        for build in builds
        for version in (member.old, member.new)
        if version.name == build.version and not (build.digest and version.digests)
    }
    if by_name:
        yield f"compared by name, because a digest is not known on both sides: {', '.join(sorted(by_name))}"


def _lines(asked: Asked, decision: Decision) -> Iterator[str]:
    question = asked.question
    targets = ", ".join(f"{service} {build}" for service, build in question.targets.items())
    what = (
        f"take {asked.environment} back to {targets}" if question.back else f"deploy {targets} to {asked.environment}"
    )
    yield f"{_HEADS[decision.reply]} {what}"
    yield f"side by side meanwhile: {_mixture(decision.window)}"
    for entry in decision.against:
        yield f"✗ {_run(entry, asked.now)} failed"
        for state in entry.against:
            mixture = ", ".join(f"{service} {' + '.join(versions)}" for service, versions in state.mixture)
            yield f"    {', '.join(state.steps[:3])}{' …' if len(state.steps) > 3 else ''} ({mixture})"
            yield from (f"      {cause}" for cause in state.causes[:MOST_REASONS])
    for need in decision.needed:
        if need.shown_by:
            yield f"✓ {_told(need, decision.window)}: {_run(need.shown_by[0], asked.now)}"
    yield from _missing_lines(asked, decision)
    yield from (f"assumed: {sentence}" for sentence in assumed(asked, decision))


def _missing_lines(asked: Asked, decision: Decision) -> Iterator[str]:
    yield from (f"? {problem}" for problem in decision.problems)
    for need in decision.missing:
        if any({need.service, *need.others} <= entry.covers for entry in decision.against):
            continue
        yield f"? no run shows {_told(need, decision.window)}"
        yield from (f"    {reason}" for reason in need.not_shown[:MOST_REASONS])
        if len(need.not_shown) > MOST_REASONS:
            yield f"    and {len(need.not_shown) - MOST_REASONS} more"
    if decision.missing and decision.reply == "unknown":
        yield "Next: run the matrix with these versions, then `verifier publish RUN`."


def _told(need: Needed, window: Live) -> str:
    named = (need.service, *need.others)
    return " beside ".join(f"{service} {' + '.join(map(str, window[service]))}" for service in named)


def _mixture(window: Live) -> str:
    return ", ".join(f"{service} {' + '.join(map(str, builds))}" for service, builds in sorted(window.items()))


def _run(entry: Heard, now: float) -> str:
    evidence = entry.evidence
    return f"{evidence} on the {evidence.runtime} runtime, {age(now - evidence.at)} old"


def age(seconds: float) -> str:
    """A duration in the largest unit that it fills, such as `3 h`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _heard(entry: Heard, now: float) -> dict[str, Any]:
    evidence = entry.evidence
    return {
        "run": evidence.run,
        "matrix": evidence.matrix,
        "pair": evidence.pair,
        "runtime": evidence.runtime,
        "directory": evidence.directory,
        "at": evidence.at,
        "age_s": round(now - evidence.at, 3),
        "services": sorted(entry.covers),
        "coverage": {name: {"covered": found, "total": of} for name, (found, of) in evidence.coverage.items()},
        "contracts": {
            f"{member.service} {version.name}": version.contract
            for member in evidence.members
            for version in (member.old, member.new)
            if version.contract
        },
        "failed": [
            {
                "steps": list(state.steps),
                "mixture": {service: list(versions) for service, versions in state.mixture},
                "causes": list(state.causes),
            }
            for state in entry.against
        ],
    }


def _build(build: Build) -> dict[str, str]:
    return {"version": build.version, "digest": build.digest}


def _builds(live: Mapping[str, tuple[Build, ...]]) -> dict[str, list[dict[str, str]]]:
    return {service: [_build(build) for build in builds] for service, builds in sorted(live.items())}

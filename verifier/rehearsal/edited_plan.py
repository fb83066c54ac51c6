"""Reads a plan that `verifier plan --format json` wrote and somebody may have edited (`plan/edited.py`).

A plan of `verifier shrink` is a reproduction: it repeats one violation, has sessions of its own, and says that it is no
rehearsal. It is only checked for what the matrix must have to run it, and for the controls without which nothing could
be laid to the mixture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from verifier.errors import BadInput, Problem
from verifier.plan.edited import Place, applied, complaints
from verifier.plan.model import DEPLOYING, Plan
from verifier.rehearsal.prepare import Prepared

_SPACE = re.compile(r"[ \t\r\n]*")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")


@dataclass(frozen=True, slots=True)
class _PairPlan:
    """As `verifier plan` writes it for each of several pairs."""

    old: str
    new: str
    plan: Plan
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Pairs:
    pairs: tuple[_PairPlan, ...]


def with_plans(prepared: Sequence[Prepared], text: str, file: str) -> tuple[Prepared, ...]:
    """What is prepared, with the plans of a file. Raises BadInput with every problem, its line and its key."""
    whole: Any = _decoded(text, file, _Pairs if len(prepared) > 1 else Plan)
    if isinstance(whole, Plan) and whole.repeated:
        return (_reproduction(prepared[0], whole, text, file),)
    given: list[tuple[Place, Plan]] = [((), whole)]
    if isinstance(whole, _Pairs):
        named = {entry.name or f"{entry.old}-{entry.new}": at for at, entry in enumerate(whole.pairs)}
        missing = [entry.pair.name for entry in prepared if entry.pair.name not in named]
        if missing or len(whole.pairs) != len(prepared):
            wanted = ", ".join(entry.pair.name for entry in prepared)
            raise BadInput.one(file, f"must have a plan for each pair of the matrix: {wanted}", key="pairs")
        places = [named[entry.pair.name] for entry in prepared]
        given = [(("pairs", at, "plan"), whole.pairs[at].plan) for at in places]
    problems = [
        Problem(file, line_of(text, (*above, *found.place)), _dotted((*above, *found.place)), found.message)
        for entry, (above, plan) in zip(prepared, given, strict=True)
        for found in complaints(plan, entry.plan)
    ]
    if problems:
        raise BadInput(problems)
    return tuple(
        replace(entry, plan=applied(plan, entry.plan)) for entry, (_, plan) in zip(prepared, given, strict=True)
    )


def _reproduction(prepared: Prepared, plan: Plan, text: str, file: str) -> Prepared:
    found = [
        Problem(file, line_of(text, place), _dotted(place), message)
        for place, message in _of_reproduction(prepared, plan)
    ]
    if found:
        raise BadInput(found)
    return replace(prepared, plan=plan)


def _of_reproduction(prepared: Prepared, plan: Plan) -> Iterator[tuple[Place, str]]:
    versions = {
        (service.name, version.name) for service in prepared.matrix.services for version in service.all_versions
    }
    kinds = {path.kind for path in plan.paths if path.steps}
    if not kinds & set(DEPLOYING) or not kinds >= {"control-old", "control-new"}:
        yield ("paths",), "must have steps of a rollout, of control-old and of control-new"
    for number, path in enumerate(plan.paths):
        above: Place = ("paths", number)
        if not _SAFE.fullmatch(path.id):
            yield (*above, "id"), f"{path.id!r} is no id of letters and digits"
        for place, step in enumerate(path.steps):
            at: Place = (*above, "steps", place)
            if not _SAFE.fullmatch(step.id):
                yield (*at, "id"), f"{step.id!r} is no id of letters and digits"
            for turn, action in enumerate(step.actions):
                if (action.service, action.version) not in versions:
                    yield (*at, "actions", turn), f"the matrix has no {action.service} {action.version}"
            for turn, replay in enumerate(step.replays):
                script = prepared.replay_scripts.get(replay.session)
                if script is None:
                    yield (*at, "replays", turn, "session"), f"the matrix has no recorded session {replay.session!r}"
                elif len(replay.route) != (count := len(script.script.steps)):
                    message = f"{replay.session!r} has {count} exchanges, and {replay.id} routes another number"
                    yield (*at, "replays", turn, "route"), message


def _decoded(text: str, file: str, kind: Any) -> Any:
    try:
        json.loads(text)  # whose errors have a line
        return msgspec.json.decode(text, type=kind)
    except json.JSONDecodeError as error:
        raise BadInput.one(file, f"is no JSON: {error.msg}", line=error.lineno) from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        place = _place(path.removesuffix("`"))
        raise BadInput.one(file, message, line=line_of(text, place), key=_dotted(place)) from None
    except (RecursionError, ValueError) as error:
        raise BadInput.one(file, f"is no plan: {error}") from None


def _place(path: str) -> Place:
    """A path as msgspec writes it, such as `.paths[0].steps[1].kind`."""
    return tuple(int(match[1]) if match[1] else match[2] for match in _STEP.finditer(path))


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def line_of(text: str, place: Place) -> int:
    """The line of a value in valid JSON, from 1; of what surrounds it, if it is not there."""
    at, decoder = _after_space(text, 0), json.JSONDecoder()
    for part in place:
        found = _member(text, at, part, decoder)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _member(text: str, at: int, part: str | int, decoder: json.JSONDecoder) -> int | None:
    """Where a member of the object or list at a position begins."""
    if text[at] not in "{[":
        return None
    is_object, count = text[at] == "{", 0
    at = _after_space(text, at + 1)
    while text[at] not in "}]":
        name: str | int = count
        if is_object:
            name, at = decoder.raw_decode(text, at)
            at = _after_space(text, _after_space(text, at) + 1)  # the colon
        if name == part:
            return at
        _, at = decoder.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
        count += 1
    return None


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at

"""Maps breaks to the steps of a plan and to the callers that they affect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verifier.contracts.order import MEETING
from verifier.contracts.verdicts import Comparison, ContractDifference

State = tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the compared service. `built_for` is the version of the service whose contract it uses.

    `service` is "" for clients outside the rollout, which are present in every step.
    """

    service: str
    version: str
    built_for: str

    def __str__(self) -> str:
        return f"{self.service} {self.version}" if self.service else f"clients built for {self.built_for}"


@dataclass(frozen=True, slots=True)
class Impact:
    """One finding in one step: `caller` meets `service` at `version`, which is not the one it was built for."""

    step: str
    service: str
    version: str
    caller: Caller
    finding: ContractDifference


def impacts(
    service: str, old: str, new: str, comparison: Comparison, states: Iterable[State], callers: Iterable[Caller]
) -> tuple[Impact, ...]:
    """The steps and callers that the findings of a comparison of `service`, from `old` to `new`, affect.

    `states` are the steps of a plan in order: (step id, ((service, live versions), ...)). Findings of every verdict
    are mapped. A caller is affected only while it is live together with the other version.
    """
    everyone = tuple(callers)
    version = {"old": old, "new": new}
    found = []
    for step, live in states:
        versions = dict(live)
        for finding in comparison.findings:
            holds, meets = MEETING[finding.column]
            if version[meets] not in versions.get(service, ()):
                continue
            for caller in everyone:
                there = not caller.service or caller.version in versions.get(caller.service, ())
                if there and caller.built_for == version[holds]:
                    found.append(Impact(step, service, version[meets], caller, finding))
    return tuple(found)

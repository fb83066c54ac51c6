"""What the steps of one session depend on in it, so that a step can be replayed elsewhere with all it needs."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from verifier.correlation.model import Script
from verifier.history.outcome import SAFE


class StepDependencies:
    """The causes of a script's steps, indexed once; near-linear in the session's length."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._giver: dict[int, int] = {}  # by slot
        self._about: dict[int, list[int]] = defaultdict(list)  # by slot: writes whose target or body has it
        self._put: dict[str, list[int]] = defaultdict(list)  # by path
        self._sets: dict[str, list[int]] = defaultdict(list)  # by cookie
        for index, step in enumerate(script.steps):
            request, response = step.exchange.request, step.exchange.response
            self._giver.update((extraction.slot, index) for extraction in step.extractions if extraction.rank == 0)
            for name, value in response.headers:
                if name.lower() == "set-cookie":
                    self._sets[value.partition("=")[0].strip()].append(index)
            if request.method in SAFE or response.status >= 400:
                continue
            for slot in step.subject:
                self._about[slot].append(index)
            if request.method == "PUT":
                self._put[request.path.rstrip("/")].append(index)

    def of(self, index: int) -> set[int]:
        """The earlier steps that a step cannot do without.

        They give its values, set its cookies, make what it is about (or is inside of), or have changed that.
        """
        step = self._script.steps[index]
        found = {self._giver[slot] for slot in step.uses if slot in self._giver}
        for slot in step.subject:
            found.update(_before(self._about[slot], index))
        for name, value in step.cookie.pairs if step.cookie is not None else ():
            if value is None:
                found.update(_before(self._sets[name], index)[-1:])
        path = step.exchange.request.path
        while path := path.rpartition("/")[0]:
            found.update(_before(self._put[path], index))
        return {cause for cause in found if cause < index}


def _before(steps: list[int], index: int) -> list[int]:
    return steps[: bisect_left(steps, index)]

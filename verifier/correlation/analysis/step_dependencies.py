"""Dependencies between the steps of one session, so that a step can be replayed elsewhere with all that it needs."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from verifier.correlation.model import Script
from verifier.history.outcome import SAFE


class StepDependencies:
    """The dependencies of a script's steps, indexed once, in nearly linear time."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._producer: dict[int, int] = {}  # by slot
        self._writes: dict[int, list[int]] = defaultdict(list)  # by slot: writes whose target or body has it
        self._puts: dict[str, list[int]] = defaultdict(list)  # by path
        self._cookie_setters: dict[str, list[int]] = defaultdict(list)  # by cookie
        for index, step in enumerate(script.steps):
            request, response = step.exchange.request, step.exchange.response
            self._producer.update((extraction.slot, index) for extraction in step.extractions if extraction.rank == 0)
            for name, value in response.headers:
                if name.lower() == "set-cookie":
                    self._cookie_setters[value.partition("=")[0].strip()].append(index)
            if request.method in SAFE or response.status >= 400:
                continue
            for slot in step.subject:
                self._writes[slot].append(index)
            if request.method == "PUT":
                self._puts[request.path.rstrip("/")].append(index)

    def of(self, index: int) -> set[int]:
        """The earlier steps that a step depends on.

        They produce its values, set its cookies, or have created or changed the things that it is about or inside of.
        """
        step = self._script.steps[index]
        found = {self._producer[slot] for slot in step.uses if slot in self._producer}
        for slot in step.subject:
            found.update(_before(self._writes[slot], index))
        for name, value in step.cookie.pairs if step.cookie is not None else ():
            if value is None:
                found.update(_before(self._cookie_setters[name], index)[-1:])
        path = step.exchange.request.path
        while path := path.rpartition("/")[0]:
            found.update(_before(self._puts[path], index))
        return {earlier for earlier in found if earlier < index}


def _before(steps: list[int], index: int) -> list[int]:
    return steps[: bisect_left(steps, index)]

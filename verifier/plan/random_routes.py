"""Routes of replays with faults: the versions that serve the undisturbed exchanges are random."""

from __future__ import annotations

from random import Random

from verifier.plan.faults import routed
from verifier.plan.model import Fault, PlannedStep, SessionShape, live_versions
from verifier.plan.route_coverage import Row

_Option = tuple[tuple[str, ...], int, int]  # versions, their number, and how many random bits choose one


class RandomRoutes:
    """The random routes of one step. Equal states of `draw` give equal routes; nothing else may use it meanwhile."""

    def __init__(self, step: PlannedStep, draw: Random, known: dict[Row, Row]) -> None:
        """`known` are routes of earlier steps: equal ones are one object, because a long session has long routes."""
        self._live = {service: live_versions(step.state, service) for service in {item.service for item in step.state}}
        self._certain = all(len(versions) <= 1 for versions in self._live.values())
        self._draw = draw
        self._known = known
        self._options: dict[str, list[_Option]] = {}

    def around(self, session: SessionShape, fault: Fault) -> Row:
        """A route for a replay of a session with a fault."""
        if session.id not in self._options:
            live = [self._live.get(exchange.service) or ("",) for exchange in session.exchanges]
            self._options[session.id] = [(versions, len(versions), len(versions).bit_length()) for versions in live]
        row = routed(session, self._drawn(self._options[session.id]), fault)
        return self._known.setdefault(row, row)

    def _drawn(self, options: list[_Option]) -> list[str]:
        """What `draw.choice` draws for each exchange, without two calls for each: long sessions have many faults."""
        if self._certain:
            return [versions[0] for versions, _, _ in options]
        bits = self._draw.getrandbits
        row = []
        for versions, count, width in options:
            at = bits(width)
            while at >= count:
                at = bits(width)
            row.append(versions[at])
        return row

"""Waves: which replicas of a service are replaced together, and in which order their processes end and start."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from verifier.matrix.model import Matrix, Service
from verifier.plan.model import Action


def waves(matrix: Matrix, service: Service) -> list[list[int]]:
    """The slots that are replaced together, wave after wave.

    Rolling: as many at once as may be added and missing together. Canary: up to each share of the replicas, rounded up,
    then the rest; without steps one and then the rest. Blue-green and recreate: all at once.
    """
    slots = list(range(1, service.replicas + 1))
    rollout = matrix.rollout
    if rollout.strategy == "rolling":
        surge, unavailable = batch(matrix, service)
        many = surge + unavailable
        return [slots[at : at + many] for at in range(0, len(slots), many)]
    if rollout.strategy == "canary":
        shares = [ceil(share * len(slots) / 100) for share in rollout.canary] or [1]
        ends = sorted({end for end in shares if 0 < end < len(slots)} | {len(slots)})
        return [slots[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return [slots]


def batch(matrix: Matrix, service: Service) -> tuple[int, int]:
    """How many replicas a rolling update adds and how many it ends before. As on Kubernetes, `maxSurge` is rounded up,
    `maxUnavailable` is rounded down, and if both are 0 then, one replica at a time is missing.
    """
    surge = matrix.rollout.surge.of(service.replicas, up=True)
    unavailable = min(matrix.rollout.unavailable.of(service.replicas, up=False), service.replicas)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def changes(matrix: Matrix, service: Service, slots: Sequence[int], version: str) -> list[Action]:
    """The actions of a wave: replace one by one, start all new first (blue-green), or stop all old first (recreate)."""
    leaving = service.old.name if version == service.new.name else service.new.name
    stops = [Action("stop", service.name, leaving, slot) for slot in slots]
    starts = [Action("start", service.name, version, slot) for slot in slots]
    strategy = matrix.rollout.strategy
    if strategy == "recreate":
        return [*stops, *starts]
    if strategy == "blue-green":
        return [*starts, *stops]
    surge, unavailable = batch(matrix, service) if strategy == "rolling" else (1, 0)
    if (surge, unavailable) == (1, 0):
        return [Action("replace", service.name, version, slot) for slot in slots]
    found: list[Action] = []
    many = surge + unavailable
    for at in range(0, len(slots), many):  # a rollback replaces several waves with one step
        ending, starting = stops[at : at + many], starts[at : at + many]
        found += [*ending[:unavailable], *starting, *ending[unavailable:]]
    return found

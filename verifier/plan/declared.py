"""What the contracts imply before anything starts: breaks and the steps they affect, seams, safe upgrade orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from verifier.contracts.compare import compare
from verifier.contracts.expectations import Party, seams
from verifier.contracts.generate import witness_request
from verifier.contracts.impact import Caller, Impact, State, impacts
from verifier.contracts.order import MEETING, Conflict, Order, conflicts, safe_orders
from verifier.contracts.registry import ContractRegistry
from verifier.contracts.verdicts import Comparison
from verifier.matrix.model import Matrix, Service
from verifier.plan.calls import direct_callees
from verifier.plan.model import Declared, Path, PlannedBreak, PlannedStep, Proof, SeamBreak
from verifier.pointers import MISSING

Compared = list[tuple[Service, str, str, Comparison]]


def compared(matrix: Matrix, registry: ContractRegistry) -> Compared:
    """Comparisons of all versions of a service that can run together, older with newer."""
    found: Compared = []
    for service in matrix.services:
        for older, newer in combinations(service.versions, 2):
            old, new = (registry.contract(service.name, version.name) for version in (older, newer))
            if old is not None and new is not None and old.file != new.file:
                found.append((service, older.name, newer.name, compare(old, new)))
    return found


def safe_order(matrix: Matrix, registry: ContractRegistry, comparisons: Compared) -> Order | None:
    """Upgrade orders in which no incompatible versions run together; None if only one service is upgraded."""
    moving = [service.name for service in matrix.services if service.new is not service.old]
    if len(moving) < 2:
        return None
    callers = direct_callees(matrix)
    called = {callee for caller in moving for callee in callers[caller] if callee in moving}
    described = {
        service.name
        for service in matrix.services
        if all(registry.contract(service.name, version.name) for version in (service.old, service.new))
    }
    pairs: list[Conflict] = []
    for service, old, new, comparison in comparisons:
        if (old, new) == (service.old.name, service.new.name):
            for caller in moving:
                if service.name in callers[caller]:
                    pairs += conflicts(caller, service.name, comparison)
    order = safe_orders(moving, pairs)
    return replace(order, known=not order.orders or (bool(called) and called <= described))


def with_safe_order(matrix: Matrix, order: Order | None) -> Matrix:
    """The matrix with a safe upgrade order: the declared one if it is safe, else the first safe one, if any."""
    if not matrix.rollout.safe_order or order is None or not order.orders:
        return matrix
    moving = [name for name in matrix.rollout.order if any(name in safe for safe in order.orders)]
    chosen = tuple(moving) if tuple(moving) in order.orders else order.orders[0]
    rest = tuple(name for name in matrix.rollout.order if name not in chosen)
    return replace(matrix, rollout=replace(matrix.rollout, order=(*chosen, *rest)))


def declared(
    matrix: Matrix,
    registry: ContractRegistry,
    comparisons: Compared,
    order: Order | None,
    paths: Sequence[Path],
    entries: frozenset[str],
) -> Declared:
    """Every break and seam with the steps of these paths that it affects.

    `entries` are the services that recorded clients address.
    """
    states = list(states_of(paths))
    found = [
        item
        for service, old, new, comparison in comparisons
        for item in _breaks(matrix, registry, service, old, new, comparison, states, entries)
    ]
    numbered = tuple(replace(item, id=f"c{number}") for number, item in enumerate(found, 1))
    return Declared(numbered, tuple(_seams(matrix, registry, states)), order)


def states_of(paths: Sequence[Path]) -> Iterator[State]:
    for path in paths:
        for step in path.steps:
            services = dict.fromkeys(entry.service for entry in step.state)
            yield (
                step.id,
                tuple(
                    (name, tuple(entry.version for entry in step.state if entry.service == name)) for name in services
                ),
            )


def callers_of(matrix: Matrix, service: Service, old: str, new: str, entries: frozenset[str]) -> list[Caller]:
    """The callers of a service: recorded clients and other services, each built for the version it came with."""
    direct = direct_callees(matrix)
    found = []
    for traffic in matrix.traffic if service.name in entries else ():
        found.append(Caller("", "", traffic.client if traffic.client in (old, new) else service.old.name))
    for caller in matrix.services:
        if service.name in direct[caller.name]:
            found.append(Caller(caller.name, caller.old.name, old))
            if caller.new is not caller.old:
                found.append(Caller(caller.name, caller.new.name, new))
    return list(dict.fromkeys(found))


def _breaks(
    matrix: Matrix,
    registry: ContractRegistry,
    service: Service,
    old: str,
    new: str,
    comparison: Comparison,
    states: list[State],
    entries: frozenset[str],
) -> Iterator[PlannedBreak]:
    found = impacts(service.name, old, new, comparison, states, callers_of(matrix, service, old, new, entries))
    by_finding: dict[int, list[Impact]] = defaultdict(list)
    for impact in found:
        by_finding[id(impact.finding)].append(impact)
    for finding in comparison.findings:
        here = by_finding[id(finding)]
        _, meets = MEETING[finding.column]
        has = finding.witness is not MISSING
        writer = registry.contract(service.name, new if meets == "old" else old)
        yield PlannedBreak(
            id="",
            service=service.name,
            old=old,
            new=new,
            column=finding.column,
            verdict=finding.verdict,
            rule=finding.rule,
            operation=finding.operation,
            pointer=finding.pointer,
            message=finding.message,
            part=finding.part,
            media=finding.media,
            has_witness=has,
            witness=finding.witness if has else None,
            request=witness_request(writer, finding) if writer is not None and here else None,
            meets=old if meets == "old" else new,
            callers=tuple(dict.fromkeys(str(impact.caller) for impact in here)),
            steps=tuple(dict.fromkeys(impact.step for impact in here)),
        )


def _seams(matrix: Matrix, registry: ContractRegistry, states: list[State]) -> Iterator[SeamBreak]:
    parties = [Party(entry.service, entry.version, entry.guarantees) for entry in registry.entries if entry.guarantees]
    partners = {partner.name for partner in matrix.partners}
    for seam in seams(parties):
        steps = tuple(
            step
            for step, live in states
            if seam.consumer_version in dict(live).get(seam.consumer, ())
            and (seam.provider in partners or seam.provider_version in dict(live).get(seam.provider, ()))
        )
        if steps:
            yield SeamBreak(seam, steps)


def proofs(said: Declared, step: PlannedStep) -> tuple[Proof, ...]:
    """The witnesses to send in a step: those of breaks that affect this step first."""
    return tuple(
        Proof(f"proof-{item.id}", item.service, item.meets, item.operation, item.request)
        for item in said.breaks
        if item.request is not None and item.steps[:1] == (step.id,)
    )

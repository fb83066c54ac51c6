"""Requests that are made up from contracts, for the operations that callers of the run use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from verifier.contracts.generate import requests
from verifier.contracts.impact import Caller, State
from verifier.contracts.model import Contract, ContractOperation
from verifier.contracts.registry import ContractRegistry
from verifier.matrix.model import Matrix, Service
from verifier.plan.calls import direct_callees
from verifier.plan.declared import callers_of, states_of
from verifier.plan.model import Path, Proof, SessionShape

MADE = 3  # requests for each operation
MOST_GUESSED = 30  # operations of a service that other services call, where nothing says which ones they use
_VARIABLE = re.compile(r"\{[^{}]*\}")
Place = tuple[str, str]  # method and path, with nameless variables


def generated(
    matrix: Matrix, registry: ContractRegistry, paths: Sequence[Path], sessions: Sequence[SessionShape], seed: int
) -> dict[str, list[Proof]]:
    """By step: requests generated from each version's contract, for that version and for the other one.

    Each version first receives its own requests in its control, which shows what a correct response is. It receives
    the other version's requests in the first step in which a caller built for that version meets it. In
    other steps no caller would send them, so they would prove nothing. Operations that no caller of the run uses
    have no requests.
    """
    entries = frozenset(exchange.service for session in sessions for exchange in session.exchanges)
    found: dict[str, list[Proof]] = {}
    states = list(states_of(paths))
    for service, pair in _pairs(matrix, registry):
        old, new = service.old.name, service.new.name
        used = _used(service, pair, matrix, registry, sessions)
        made = {
            name: tuple(_made(contract, service.name, name, used, seed))
            for name, contract in zip((old, new), pair, strict=True)
        }
        callers = callers_of(matrix, service, old, new, entries)
        for written_for, target in ((old, old), (new, new), (old, new), (new, old)):
            holders = [caller for caller in callers if caller.built_for == written_for]
            step = (
                _alone(states, service, target)
                if written_for == target
                else _version_pair(states, service, target, holders)
            )
            found.setdefault(step, []).extend(replace(item, version=target) for item in made[written_for])
    found.pop("", None)
    return found


def unused(matrix: Matrix, registry: ContractRegistry, sessions: Sequence[SessionShape]) -> int:
    """How many operations of the contracts that are compared have no made-up requests."""
    count = 0
    for service, pair in _pairs(matrix, registry):
        every = {_place(item) for contract in pair for item in contract.operations}
        count += len(every - _used(service, pair, matrix, registry, sessions))
    return count


def _pairs(matrix: Matrix, registry: ContractRegistry) -> Iterator[tuple[Service, tuple[Contract, Contract]]]:
    """The services that change, with the contracts of the old and the new version."""
    for service in matrix.services:
        old, new = (registry.contract(service.name, version.name) for version in (service.old, service.new))
        if service.old.name != service.new.name and old is not None and new is not None:
            yield service, (old, new)


def _alone(states: list[State], service: Service, version: str) -> str:
    """The first step in which this is the only live version of the service. It belongs to a control."""
    return next((step for step, live in states if dict(live).get(service.name) == (version,)), "")


def _version_pair(states: list[State], service: Service, version: str, callers: list[Caller]) -> str:
    """The first step in which one of the callers runs together with a version."""
    for step, live in states:
        there = dict(live)
        if version in there.get(service.name, ()):
            for caller in callers:
                if not caller.service or caller.version in there.get(caller.service, ()):
                    return step
    return ""


def _used(
    service: Service,
    pair: tuple[Contract, Contract],
    matrix: Matrix,
    registry: ContractRegistry,
    sessions: Sequence[SessionShape],
) -> frozenset[Place]:
    """The operations of a service that recorded clients use, or that other services use or may use.

    What another service calls shows in the run only. Until then it may use what it assumes something about, and any of
    the first operations of the contracts.
    """
    names = {item.name for session in sessions for item in session.exchanges if item.service == service.name}
    called = any(service.name in callees for callees in direct_callees(matrix).values())
    if called:
        assumptions = (item for entry in registry.entries if entry.guarantees for item in entry.guarantees.assumes)
        names |= {item.operation for item in assumptions if item.provider == service.name}
    guessed = MOST_GUESSED if called else 0
    return frozenset(
        _place(item)
        for contract in pair
        for number, item in enumerate(contract.operations)
        if item.id in names or number < guessed
    )


def _place(operation: ContractOperation) -> Place:
    return (operation.method, _VARIABLE.sub("{}", operation.path))


def _made(contract: Contract, service: str, version: str, used: frozenset[Place], seed: int) -> Iterator[Proof]:
    for operation in contract.operations:
        if _place(operation) in used:
            for number, request in enumerate(requests(contract, operation, MADE, seed), 1):
                name = f"made:{service}:{version}:{operation.id}:{number}"
                yield Proof(name, service, version, operation.id, request, version)

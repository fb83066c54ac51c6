"""The contracts and guarantees of all versions of a matrix, by service, version and operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verifier.contracts.completion import Completes
from verifier.contracts.guarantees import Declaration, Guarantees, OperationGuarantees, read
from verifier.contracts.load import load
from verifier.contracts.lookup import ServiceLookup
from verifier.contracts.model import Contract, ContractOperation
from verifier.files import exists
from verifier.http.message import Request


@dataclass(frozen=True, slots=True)
class VersionContract:
    """The contract and guarantees of one version. Partners have the single version ""."""

    service: str
    version: str
    contract: Contract | None
    guarantees: Guarantees | None


@dataclass(frozen=True, slots=True)
class ContractRegistry:
    """An index of contracts, because every sent request is looked up. The first of equal entries counts."""

    entries: tuple[VersionContract, ...] = ()
    accepting: frozenset[int] = field(init=False, repr=False, compare=False)  # statuses that may accept work
    _versions: dict[tuple[str, str], VersionContract] = field(init=False, repr=False, compare=False)
    _services: dict[str, ServiceLookup] = field(init=False, repr=False, compare=False)
    _declared: dict[tuple[str, str, str], OperationGuarantees] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        versions: dict[tuple[str, str], VersionContract] = {}
        for item in self.entries:
            versions.setdefault((item.service, item.version), item)
        names = dict.fromkeys(item.service for item in self.entries)
        services = {
            name: ServiceLookup((item.version, item.contract) for item in self.entries if item.service == name)
            for name in names
        }
        declared: dict[tuple[str, str, str], OperationGuarantees] = {}
        for (service, version), item in versions.items():
            for operation in item.guarantees.operations if item.guarantees else ():
                declared.setdefault((service, version, operation.operation), operation)
        accepted = {item.completes.accepted for item in declared.values() if item.completes is not None}
        object.__setattr__(self, "accepting", frozenset(accepted | {202}))
        object.__setattr__(self, "_versions", versions)
        object.__setattr__(self, "_services", services)
        object.__setattr__(self, "_declared", declared)

    def of(self, service: str, version: str) -> VersionContract | None:
        return self._versions.get((service, version))

    def contract(self, service: str, version: str) -> Contract | None:
        found = self.of(service, version)
        return found.contract if found else None

    def operation(self, service: str, version: str, method: str, path: str) -> ContractOperation | None:
        """The operation of a request: by the contract of the version, or by any contract of the service."""
        found = self._services.get(service)
        return found.operation(version, method, path) if found is not None else None

    def called(self, service: str, version: str, request: Request) -> ContractOperation | None:
        """As `operation` for the method and path of the request, but faster for most of them."""
        found = self._services.get(service)
        return found.called(version, request) if found is not None else None

    def settled(self, service: str, version: str, method: str, target: str) -> tuple[bool, ContractOperation | None]:
        """Whether `called` is the same for all targets that differ only in their holes, and its result."""
        found = self._services.get(service)
        return found.settled(version, method, target) if found is not None else (True, None)

    def guarantees(self, service: str, version: str, operation: str) -> OperationGuarantees | None:
        """The promises of an operation in this version."""
        return self._declared.get((service, version, operation))

    def completes(self, service: str, version: str, operation: str) -> Completes | None:
        """How work that an operation accepts completes; None if that is not declared."""
        found = self._declared.get((service, version, operation))
        return found.completes if found is not None else None

    def recovers(self, service: str, version: str, operation: str) -> float | None:
        """Seconds within which work is taken up again and ends, after who did it was killed; None if not declared."""
        found = self._declared.get((service, version, operation))
        return found.recovers if found is not None else None

    def declared(self) -> Iterator[tuple[VersionContract, OperationGuarantees]]:
        for item in self.entries:
            for operation in item.guarantees.operations if item.guarantees else ():
                yield item, operation


def version_contract(
    service: str, version: str, contract: Path | None, declarations: Sequence[Declaration[Any]] = ()
) -> VersionContract:
    """Read the contract of a version and its guarantees: `VERSION.guarantees.yaml` beside it, or those of the folder.

    `declarations` are keys that the guarantees may have in addition to the known ones. Raises BadInput for an
    unreadable document.
    """
    if contract is None:
        return VersionContract(service, version, None, None)
    own, shared = contract.with_name(f"{contract.stem}.guarantees.yaml"), contract.with_name("guarantees.yaml")
    file = own if exists(own) else shared if exists(shared) else None
    return VersionContract(service, version, load(contract), read(file, declarations) if file else None)

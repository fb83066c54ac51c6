"""All that the versions of a matrix promise: contracts and guarantees, looked up by service, version, operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verifier.contracts.guarantees import Guarantees, OperationGuarantees, read
from verifier.contracts.load import load
from verifier.contracts.model import Contract, ContractOperation


@dataclass(frozen=True, slots=True)
class VersionPromises:
    """One version of a service or partner; partners have the single version ""."""

    service: str
    version: str
    contract: Contract | None
    guarantees: Guarantees | None


@dataclass(frozen=True, slots=True)
class Promises:
    entries: tuple[VersionPromises, ...] = ()

    def of(self, service: str, version: str) -> VersionPromises | None:
        return next((item for item in self.entries if item.service == service and item.version == version), None)

    def contract(self, service: str, version: str) -> Contract | None:
        found = self.of(service, version)
        return found.contract if found else None

    def operation(self, service: str, version: str, method: str, path: str) -> ContractOperation | None:
        """The contract's operation for a request: by the version's own contract, else by any of its service."""
        own = self.contract(service, version)
        others = [item.contract for item in self.entries if item.service == service and item.contract is not own]
        for contract in (own, *others):
            if contract is not None and (found := contract.match(method, path)) is not None:
                return found
        return None

    def guarantees(self, service: str, version: str, operation: str) -> OperationGuarantees | None:
        """What an operation promises in this version."""
        found = self.of(service, version)
        return found.guarantees.of(operation) if found and found.guarantees else None

    def declared(self) -> Iterator[tuple[VersionPromises, OperationGuarantees]]:
        for item in self.entries:
            for operation in item.guarantees.operations if item.guarantees else ():
                yield item, operation


def promises_of(service: str, version: str, contract: Path | None) -> VersionPromises:
    """Read a version's contract, and its guarantees: those of `VERSION.guarantees.yaml` beside it, else of the folder.

    Raises BadInput for a document that cannot be read.
    """
    if contract is None:
        return VersionPromises(service, version, None, None)
    own, shared = contract.with_name(f"{contract.stem}.guarantees.yaml"), contract.with_name("guarantees.yaml")
    file = own if own.is_file() else shared if shared.is_file() else None
    return VersionPromises(service, version, load(contract), read(file) if file else None)

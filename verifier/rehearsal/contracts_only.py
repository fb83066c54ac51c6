"""Pairs of versions that are not run: what their contracts say, if they have some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from verifier.contracts.registry import ContractRegistry
from verifier.matrix.model import Matrix
from verifier.matrix.pairs import Pair, pairs, versions
from verifier.plan.declared import compared
from verifier.report.pairs import ContractsOnly
from verifier.report.phrasing import counted


def contracts_only(matrix: Matrix, run: Sequence[Pair], registry: ContractRegistry) -> Iterator[ContractsOnly]:
    """The comparison of each pair that is not among those that are run. Pairs without contracts have none."""
    known = {(pair.old, pair.new) for pair in run}
    for names in combinations(versions(matrix), 2):
        if names in known:
            continue
        asked = _pair(matrix, names)
        if asked is not None and (told := _told(asked.matrix, registry)):
            yield ContractsOnly(*names, told)


def _pair(matrix: Matrix, names: tuple[str, str]) -> Pair | None:
    """The pair of these versions; None if no service has both."""
    if not any(set(names) <= {version.name for version in service.versions} for service in matrix.services):
        return None
    return pairs(replace(matrix, pairs=(names,)))[0]


def _told(matrix: Matrix, registry: ContractRegistry) -> str:
    """What the contracts of the services that are upgraded say; "" if no such service has both."""
    moving = [service for service in matrix.services if service.new is not service.old]
    described = [
        service.name
        for service in moving
        if all(registry.contract(service.name, version.name) for version in (service.old, service.new))
    ]
    if not described:
        return ""
    findings = [finding for *_, comparison in compared(matrix, registry) for finding in comparison.findings]
    verdicts = Counter(finding.verdict for finding in findings)
    lacking = [service.name for service in moving if service.name not in described]
    without = f"; {', '.join(lacking)} has no contracts" if lacking else ""
    if breaking := next((finding for finding in findings if finding.verdict == "breaking"), None):
        return f"contracts: {counted(verdicts['breaking'], 'break')}, first {breaking.message}{without}"
    if findings:
        more = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        return f"contracts: no break, but {more}{without}"
    return f"contracts: no break{without}"

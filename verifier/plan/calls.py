"""Which services call which others, read from addresses in environment values."""

from __future__ import annotations

import re

from verifier.matrix.model import Matrix

ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?|^|,)([A-Za-z0-9-]+)(?=[:/?#,]|$)")


def direct_callees(matrix: Matrix) -> dict[str, tuple[str, ...]]:
    """For each service, the services and partners whose addresses are in the environment of any of its versions."""
    known = set(matrix.ports) | {partner.name for partner in matrix.partners}
    return {
        service.name: tuple(
            sorted(
                {
                    host
                    for version in service.versions
                    for _, value in version.environment
                    for host in ADDRESS.findall(value)
                    if host in known and host != service.name
                }
            )
        )
        for service in matrix.services
    }


def callees(matrix: Matrix) -> dict[str, tuple[str, ...]]:
    """For each service, all services and partners that its calls reach, directly or indirectly."""
    direct = direct_callees(matrix)
    reached: dict[str, tuple[str, ...]] = {}
    for name in direct:
        found: set[str] = set()
        waiting = list(direct[name])
        while waiting:
            callee = waiting.pop()
            if callee not in found and callee != name:
                found.add(callee)
                waiting.extend(direct.get(callee, ()))
        reached[name] = tuple(sorted(found))
    return reached

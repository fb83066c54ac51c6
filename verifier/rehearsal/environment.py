"""The environment of a replica: store addresses are filled in, addresses of services and partners are rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifier.runtime.base import Environment

REFERENCE = re.compile(r"\$\{stores\.([^.}]+)\.url\}")


def environment_of(
    declared: Environment, stores: Mapping[str, str], gateway: str, ports: Mapping[str, int]
) -> Environment:
    """The declared environment with real addresses. `ports` maps each service or partner to its port at the gateway.

    `http://payments:8080/x`, `http://payments` and a bare `payments:8080` become addresses of the gateway.
    """
    return tuple((name, rewrite(fill(value, stores), gateway, ports)) for name, value in declared)


def fill(value: str, stores: Mapping[str, str]) -> str:
    return REFERENCE.sub(lambda found: stores[found.group(1)], value)


def rewrite(value: str, gateway: str, ports: Mapping[str, int]) -> str:
    if not ports:
        return value
    names = "|".join(re.escape(name) for name in sorted(ports, key=len, reverse=True))
    with_scheme = rf"(?<=://)({names})(?::\d+)?(?=[/?#,;\s]|$)"
    bare = rf"(?<![\w.:/@-])({names}):\d+(?=[/?#,;\s]|$)"
    return re.sub(f"{with_scheme}|{bare}", lambda found: f"{gateway}:{ports[found.group(1) or found.group(2)]}", value)

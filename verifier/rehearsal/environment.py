"""The environment of a replica: store addresses are filled in, addresses of services and partners are rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from verifier.errors import BrokenEnvironment
from verifier.matrix.model import Store
from verifier.runtime.base import Environment, StoreSpec

REFERENCE = re.compile(r"\$\{stores\.([^.}]+)\.(url|host|port|user|password|database|path)\}")


def environment_of(
    declared: Environment, stores: Mapping[str, str], gateway: str, ports: Mapping[str, int]
) -> Environment:
    """The declared environment with real addresses. `ports` maps each service or partner to its port at the gateway.

    `http://payments:8080/x`, `http://payments` and a bare `payments:8080` become addresses of the gateway.
    """
    return tuple((name, rewrite(fill(value, stores), gateway, ports)) for name, value in declared)


def fill(value: str, stores: Mapping[str, str]) -> str:
    """The text with every `${stores.NAME.PART}` filled in; `stores` holds the URL of each store that runs.

    Raises BrokenEnvironment for a part that the URL of the store does not have.
    """
    return REFERENCE.sub(lambda found: _part(found, stores[found[1]]), value)


def _part(found: re.Match[str], url: str) -> str:
    part = url if found[2] == "url" else parts(url).get(found[2])
    if part is None:
        raise BrokenEnvironment(f"{found[0]} stands for nothing: the store has no {found[2]}")
    return part


def parts(url: str) -> dict[str, str]:
    """The parts of the URL of a store, decoded. A store that is a file or a folder has its path."""
    split = urlsplit(url)
    if not split.netloc:
        path = unquote(split.path)
        path = path.removeprefix("/") if split.scheme == "sqlite" else path  # sqlite:////absolute, as SQLAlchemy has it
        return {"path": path, "database": path} if split.scheme == "sqlite" else {"path": path}
    found = {
        "host": split.hostname,
        "port": str(split.port) if split.port is not None else None,
        "user": split.username,
        "password": split.password,
        "database": split.path.removeprefix("/") or None,
    }
    return {name: unquote(text) for name, text in found.items() if text is not None}


def rewrite(value: str, gateway: str, ports: Mapping[str, int]) -> str:
    if not ports:
        return value
    names = "|".join(re.escape(name) for name in sorted(ports, key=len, reverse=True))
    with_scheme = rf"(?<=://)({names})(?::\d+)?(?=[/?#,;\s]|$)"
    bare = rf"(?<![\w.:/@-])({names}):\d+(?=[/?#,;\s]|$)"
    return re.sub(f"{with_scheme}|{bare}", lambda found: f"{gateway}:{ports[found.group(1) or found.group(2)]}", value)


def store_spec(store: Store, folder: Path, log: Path) -> StoreSpec:
    declared = (store.name, store.image, store.process, store.environment, store.port, store.ready)
    return StoreSpec(*declared, folder, log, store.kind, store.content)

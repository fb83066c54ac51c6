"""Addresses of stores in environment values, as references of a matrix, so that they hold wherever a store runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifier.compose.model import ComposeService
from verifier.compose.recognise import OTHERS, last
from verifier.runtime.stores.registered import of_image

_URL = "url"


def store_port(store: ComposeService) -> int:
    """The port on which a store listens; 0 if it is not a known one and declares none."""
    kind = of_image(store.image)
    if kind is not None and kind.port:
        return kind.port
    return OTHERS.get(last(store.image), 0) or next(iter(store.ports), 0)


def referring(environment: Mapping[str, str], stores: Mapping[str, ComposeService]) -> dict[str, str]:
    """The environment with `${stores.NAME.url}`, `.host` and `.port`. The names are those of the Compose file."""
    found = dict(environment)
    for name, store in stores.items():
        port = store_port(store)
        hosts = {key for key, value in environment.items() if value == name}
        for key, value in found.items():
            if key.endswith("PORT") and value == str(port) and any(_siblings(key, host) for host in hosts):
                found[key] = f"${{stores.{matrix_name(name)}.port}}"
            else:
                found[key] = _referring(value, name, store, port)
    return found


def matrix_name(name: str) -> str:
    """The name of a Compose service as a host name, which is what a matrix needs."""
    made = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return made if re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", made) else f"service-{made}".strip("-")


def _siblings(port: str, host: str) -> bool:
    """DB_PORT and DB_HOST."""
    return port.removesuffix("PORT") == re.sub(r"(HOST(NAME)?|SERVER|ADDR(ESS)?)$", "", host)


def _referring(value: str, name: str, store: ComposeService, port: int) -> str:
    reference = f"${{stores.{matrix_name(name)}."
    kind = of_image(store.image)
    if kind is not None:
        whole = kind.url(tuple(store.environment.items()), name, port)
        if value in (whole, whole.replace("postgresql://", "postgres://", 1)):
            return f"{reference}{_URL}}}"
    if value == name:
        return f"{reference}host}}"
    host = rf"(?<![\w.-]){re.escape(name)}"
    with_port = re.sub(rf"{host}:{port}(?!\d)", f"{reference}host}}:{reference}port}}", value)
    return re.sub(rf"(?<=[@/]){re.escape(name)}(?=[/?,]|$)", f"{reference}host}}", with_port)


def reached(environment: Mapping[str, str], names: Mapping[str, object]) -> set[str]:
    """The services whose names stand as hosts in these values."""
    return {
        name
        for name in names
        for value in environment.values()
        if value == name or re.search(rf"(?:[@/]|^|,){re.escape(name)}(?::\d|[/?,]|$)", value)
    }

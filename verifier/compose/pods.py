"""What a container of a Kubernetes pod is told by its environment, its probes and its ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.compose.manifests import Manifests, dig, items, mapping, number, text
from verifier.compose.model import Place
from verifier.located import LONGEST, Located

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)|\$\$\(")
_LONGEST = 131_072  # characters; Linux takes no longer word or variable
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(slots=True)
class Environment:
    """Values, the line of each, and what could not be taken over."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    left: list[tuple[Place, str, str]] = field(default_factory=list)


def environment(container: Located, found: Manifests, file: str) -> Environment:
    """Those of `envFrom`, then those of `env`. Values of secrets are never read: `${env.NAME}` stands for each."""
    made = Environment()
    for entry in items(dig(container, "envFrom")):
        for name, inherited in _of_source(entry, found, made, file):
            made.values[name], made.lines[f"environment.{name}"] = inherited, entry.line
    for entry in items(dig(container, "env")):
        name = text(dig(entry, "name"))
        if (value := _value(entry, found)) is None:
            made.left.append((Place(file, entry.line), f"env {name}", "what it refers to is not in these manifests"))
        elif name:
            made.values[name] = expanded(value, made.values)
            made.lines[f"environment.{name}"] = entry.line
    return made


def expanded(value: str, values: dict[str, str]) -> str:
    """`$(NAME)` as Kubernetes fills it in. Unknown names stay as they are; so does what no process could be given."""
    length = sum(len(values.get(at[1] or "", "")) for at in _REFERENCE.finditer(value))
    if length > _LONGEST:
        return value
    return _REFERENCE.sub(lambda at: "$(" if at[1] is None else values.get(at[1], at[0]), value)


def secret(name: str, key: str) -> str:
    """The reference to a variable of the caller that stands for a key of a secret."""
    return f"${{env.{re.sub(r'[^A-Za-z0-9]+', '_', f'{name}_{key}').strip('_').upper()}}}"


def _of_source(entry: Located, found: Manifests, made: Environment, file: str) -> Iterator[tuple[str, str]]:
    prefix = text(dig(entry, "prefix"))
    config, hidden = text(dig(entry, "configMapRef", "name")), text(dig(entry, "secretRef", "name"))
    if config in found.configs:
        for key, item in mapping(found.configs[config].get("data")).items():
            yield prefix + key, text(item)
    elif hidden in found.secrets:
        for part in ("data", "stringData"):
            yield from ((prefix + key, secret(hidden, key)) for key in mapping(found.secrets[hidden].get(part)))
    else:
        why = "is not among these manifests, so its variables are missing"
        made.left.append((Place(file, entry.line), f"envFrom {config or hidden}", why))


def _value(entry: Located, found: Manifests) -> str | None:
    source = dig(entry, "valueFrom")
    if source is None:
        return text(dig(entry, "value"))
    if (config := dig(source, "configMapKeyRef")) is not None:
        held = found.configs.get(text(dig(config, "name")))
        item = None if held is None else dig(held.get("data"), text(dig(config, "key")))
        return None if item is None else text(item)
    if (hidden := dig(source, "secretKeyRef")) is not None:
        return secret(text(dig(hidden, "name")), text(dig(hidden, "key")))
    return {"metadata.name": "replica", "metadata.namespace": "default"}.get(text(dig(source, "fieldRef", "fieldPath")))


def ports(container: Located) -> dict[str, int]:
    """The ports of a container by name; those without a name have their number as one."""
    found = {}
    for entry in items(dig(container, "ports")):
        at = number(dig(entry, "containerPort"))
        if 0 < at < 65536 and text(dig(entry, "protocol"), "TCP") == "TCP":
            found[text(dig(entry, "name"), str(at))] = at
    return found


@dataclass(frozen=True, slots=True)
class Probing:
    """How a container shows that it is ready (see `ComposeService`), and for how long that may take, in seconds."""

    probe: tuple[str, str] | None = None
    health: tuple[str, ...] = ()
    patience: float = 0.0
    left: tuple[tuple[int, str, str], ...] = ()  # line, key, why


def probing(container: Located, port: int) -> Probing:
    """From the readiness probe, or the one that comes nearest to it. Those of a startup probe may take the longest."""
    probes = {key: probe for key in _PROBES if (probe := dig(container, key)) is not None}
    if not probes:
        return Probing()
    key = "readinessProbe" if "readinessProbe" in probes else next(iter(probes))
    patience = max(
        number(dig(probe, "initialDelaySeconds"))
        + number(dig(probe, "failureThreshold"), 3) * number(dig(probe, "periodSeconds"), 10)
        for name, probe in probes.items()
        if name == key or name == "startupProbe"
    )
    left = [(probe.line, name, f"`ready` is made of the {key}") for name, probe in probes.items() if name != key]
    probe, wait = probes[key], min(LONGEST, float(patience))
    if (asked := dig(probe, "httpGet")) is not None:
        at = text(dig(asked, "port"), str(port))
        if ports(container).get(at, number(dig(asked, "port"), port)) != port or text(dig(asked, "scheme")) == "HTTPS":
            left.append((probe.line, key, f"asks port {at} by {text(dig(asked, 'scheme'), 'HTTP')}, not port {port}"))
            return Probing(("tcp", ""), (), wait, tuple(left))
        return Probing(("http", text(dig(asked, "path"), "/")), (), wait, tuple(left))
    words = tuple(text(word) for word in items(dig(probe, "exec", "command")))
    if words:
        return Probing(None, words, wait, tuple(left))
    if dig(probe, "grpc") is not None:
        left.append((probe.line, key, "asks by gRPC; a connection to the port counts instead"))
    return Probing(("tcp", ""), (), wait, tuple(left))

"""Manifests of Kubernetes, plain or rendered: their objects by kind, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verifier.compose.model import Place
from verifier.errors import BadInput
from verifier.located import Located, load_all

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
# Why an object of another kind has no place in a matrix.
WHY = {
    "Ingress": "clients of a run call the services directly",
    "HTTPRoute": "clients of a run call the services directly",
    "HorizontalPodAutoscaler": "a run has the replicas of the matrix",
    "PodDisruptionBudget": "no replica is evicted in a run",
    "NetworkPolicy": "a run has a network of its own",
    "PersistentVolumeClaim": "stores are fresh in each run",
    "CronJob": "nothing starts at certain times; a worker or `migrate` may have its place",
    "Namespace": "a run has a network of its own",
}
_OTHER = "a matrix has no place for such an object"
_LISTED = 1000
MOST = 1_000_000  # of a number


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object."""

    kind: str
    name: str
    at: Located

    @property
    def path(self) -> Path:
        return Path(self.at.file)

    @property
    def place(self) -> Place:
        return Place(self.path.name, self.at.line)

    def get(self, *keys: str) -> Located | None:
        return dig(self.at, *keys)


@dataclass(slots=True)
class Manifests:
    files: tuple[Path, ...]
    workloads: list[Manifest] = field(default_factory=list)
    services: list[Manifest] = field(default_factory=list)
    configs: dict[str, Manifest] = field(default_factory=dict)
    secrets: dict[str, Manifest] = field(default_factory=dict)
    others: list[Manifest] = field(default_factory=list)


def dig(at: Located | None, *keys: str) -> Located | None:
    """The value under these keys; None if there is none."""
    for key in keys:
        if at is None or not isinstance(at.value, dict):
            return None
        at = at.value.get(key)
    return at


def items(at: Located | None) -> list[Located]:
    return at.value if at is not None and isinstance(at.value, list) else []


def mapping(at: Located | None) -> dict[str, Located]:
    return at.value if at is not None and isinstance(at.value, dict) else {}


def text(at: Located | None, default: str = "") -> str:
    value: Any = default if at is None or at.value is None or isinstance(at.value, dict | list) else at.value
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(at: Located | None, default: int = 0) -> int:
    """A number of replicas, seconds or tries, at most MOST."""
    found = text(at)
    if not found.isdecimal():
        return default
    return min(MOST, int(found)) if len(found) < 10 else MOST


def read_manifests(files: Sequence[Path]) -> Manifests:
    """Raises BadInput if a file cannot be read, or if there is nothing in them that runs."""
    found = Manifests(tuple(files))
    for manifest in (entry for file in files for entry in _objects(file)):
        if manifest.kind in WORKLOADS:
            found.workloads.append(manifest)
        elif manifest.kind == "Service":
            found.services.append(manifest)
        elif manifest.kind == "ConfigMap":
            found.configs[manifest.name] = manifest
        elif manifest.kind == "Secret":
            found.secrets[manifest.name] = manifest
        else:
            found.others.append(manifest)
    if not found.workloads:
        kinds = "Deployment or StatefulSet"
        raise BadInput.one(files[0], f"has no {kinds}; name rendered manifests, such as those of `helm template`")
    return found


def why(kind: str) -> str:
    return WHY.get(kind, _OTHER)


def _objects(file: Path) -> Iterator[Manifest]:
    waiting = load_all(file)
    for at in waiting:
        kind, name = text(dig(at, "kind")), text(dig(at, "metadata", "name"))
        if kind == "List":
            waiting += items(dig(at, "items"))[:_LISTED]
        elif not kind or dig(at, "apiVersion") is None:
            raise BadInput.one(file, "is no manifest of Kubernetes: apiVersion and kind are missing", line=at.line)
        elif name:
            yield Manifest(kind, name, at)

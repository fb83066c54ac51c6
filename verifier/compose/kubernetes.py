"""Reads manifests of Kubernetes into the values of a Compose file, so that a matrix is made of them in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.compose.manifests import Manifest, Manifests, dig, items, mapping, number, read_manifests, text, why
from verifier.compose.model import ComposeFile, ComposeService, Place, port
from verifier.compose.pods import environment, expanded, ports, probing
from verifier.compose.recognise import is_migration, migrates
from verifier.located import Located

_MOST = 20  # replicas
_AMOUNT = re.compile(r"[0-9]{1,3}%?")


def read_kubernetes(files: Sequence[Path]) -> ComposeFile:
    """Each workload is a service with the name of the Service in front of it. Raises BadInput."""
    found = read_manifests(files)
    services: dict[str, ComposeService] = {}
    left = [(entry.place, f"{entry.kind} {entry.name}", why(entry.kind)) for entry in found.others]
    fronts = {id(entry): _fronts(entry, found) for entry in found.workloads}
    used = {id(front) for entry in fronts.values() for front in entry}
    for workload in found.workloads:
        for entry in _workload(workload, fronts[id(workload)], found):
            if workload.kind == "Job" and not is_migration(entry):
                left.append((workload.place, f"Job {workload.name}", "ends by itself and migrates nothing"))
            else:
                services.setdefault(entry.name, entry)
    for front in found.services:
        if id(front) not in used:
            told = "has no pods among these manifests; if services call it, name it in `partners`"
            left.append((front.place, f"Service {front.name}", told))
    names = [*services, *(front.name for front in found.services)]
    services = {name: _with_short_hosts(entry, names) for name, entry in services.items()}
    return ComposeFile(files[0], services, tuple(left), ", ".join(file.name for file in files))


def _fronts(workload: Manifest, found: Manifests) -> list[Manifest]:
    """The Services that lead to the pods of a workload; those with an address first."""
    labels = {key: text(item) for key, item in mapping(workload.get("spec", "template", "metadata", "labels")).items()}
    chosen = []
    for front in found.services:
        wanted = {key: text(item) for key, item in mapping(front.get("spec", "selector")).items()}
        if wanted and wanted.items() <= labels.items():
            chosen.append(front)
    return sorted(chosen, key=lambda front: text(front.get("spec", "clusterIP")) == "None")


def _workload(workload: Manifest, fronts: list[Manifest], found: Manifests) -> Iterator[ComposeService]:
    """The service of the first container. Init containers that migrate are services of their own."""
    pod = workload.get("spec", "template", "spec")
    containers, file = items(dig(pod, "containers")), workload.place.file
    name = fronts[0].name if fronts else workload.name
    if not containers:
        return
    left: list[tuple[Place, str, str]] = [*_unread(workload, pod, fronts)]
    needs = []
    for container in items(dig(pod, "initContainers")):
        made = _container(workload, container, f"{name}-{text(dig(container, 'name'))}-migrate", 0, found)
        if migrates(made.command):
            needs.append(made.name)
            yield made
        else:
            left.append((Place(file, container.line), f"init container {text(dig(container, 'name'))}", "is not run"))
    for container in containers[1:]:
        told = "a replica has one container; if it belongs to the service, put it into its image"
        left.append((Place(file, container.line), f"container {text(dig(container, 'name'))}", told))
    main = containers[0]
    made = _container(workload, main, name, _port(main, fronts), found)
    rollout, told_of_it = _rollout(workload)
    yield replace(
        made,
        needs=tuple(needs),
        replicas=min(_MOST, max(1, number(workload.get("spec", "replicas"), 1))),
        grace=float(number(dig(pod, "terminationGracePeriodSeconds"), 30)),
        rollout=rollout,
        left=(*made.left, *left, *told_of_it),
    )


def _container(workload: Manifest, at: Located, name: str, served: int, found: Manifests) -> ComposeService:
    told, asked, file = environment(at, found, workload.place.file), probing(at, served), workload.place.file
    entry, rest = (
        tuple(expanded(text(word), told.values) for word in items(dig(at, key))) for key in ("command", "args")
    )
    left = [*told.left, *((Place(file, line), key, reason) for line, key, reason in asked.left)]
    if entry:
        reason = "replaces the entry point of the image; here it follows it, if the image has one"
        left.append((Place(file, dig_line(at, "command")), "command", reason))
    for mount in items(dig(at, "volumeMounts")):
        left.append((Place(file, mount.line), f"volume {text(dig(mount, 'mountPath'))}", "nothing is mounted"))
    if (stopping := dig(at, "lifecycle", "preStop")) is not None:
        reason = "is not run; the rotation drains for a second before the signal: `stop: {drain: …}`"
        left.append((Place(file, stopping.line), "preStop", reason))
    return ComposeService(
        name,
        workload.at.line,
        workload.path,
        image=text(dig(at, "image")),
        command=(*entry, *rest),
        environment=told.values,
        lines=told.lines,
        ports=(served, *(other for other in ports(at).values() if other != served)) if served else (),
        health=asked.health,
        probe=asked.probe,
        patience=asked.patience,
        left=tuple(left),
    )


def dig_line(at: Located, key: str) -> int:
    found = dig(at, key)
    return at.line if found is None else found.line


def _port(container: Located, fronts: list[Manifest]) -> int:
    """The port of the container to which the first port of its Service leads, else its first one; 0 without any."""
    named = ports(container)
    for front in fronts:
        for entry in items(front.get("spec", "ports")):
            target = text(dig(entry, "targetPort"), text(dig(entry, "port")))
            if target in named:
                return named[target]
            if found := port(target):
                return found
    return next(iter(named.values()), 0)


def _rollout(workload: Manifest) -> tuple[str, list[tuple[Place, str, str]]]:
    """The items of `rollout` for the strategy of a workload, with the numbers that Kubernetes takes by default."""
    if workload.kind == "Deployment":
        strategy = workload.get("spec", "strategy")
        if text(dig(strategy, "type")) == "Recreate":
            return "strategy: recreate", []
        asked = (text(dig(strategy, "rollingUpdate", key), "25%") for key in ("maxSurge", "maxUnavailable"))
        surge, missing = (amount if _AMOUNT.fullmatch(amount) else "25%" for amount in asked)
        return f"rolling: {{maxSurge: {surge}, maxUnavailable: {missing}}}", []
    kind = text(workload.get("spec", "updateStrategy", "type"), "RollingUpdate")
    told = []
    if kind == "OnDelete":
        at = workload.get("spec", "updateStrategy") or workload.at
        told.append((Place(workload.place.file, at.line), "OnDelete", "replicas are replaced one after the other"))
    return "rolling: {maxSurge: 0, maxUnavailable: 1}", told


def _unread(workload: Manifest, pod: Located | None, fronts: list[Manifest]) -> Iterator[tuple[Place, str, str]]:
    for front in fronts[1:]:
        yield front.place, f"Service {front.name}", f"leads to {fronts[0].name} too: a service has one name"
    if workload.kind == "DaemonSet":
        yield workload.place, "DaemonSet", "one replica for each node: here `replicas` counts"
    for key in ("hostNetwork", "securityContext", "affinity", "topologySpreadConstraints", "serviceAccountName"):
        if (at := dig(pod, key)) is not None:
            yield Place(workload.place.file, at.line), key, "a matrix has no such key"


def _with_short_hosts(service: ComposeService, names: Sequence[str]) -> ComposeService:
    """`orders.shop.svc.cluster.local`, `orders.shop.svc` and `db-0.db` as `orders` and `db`."""
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    long = re.compile(
        rf"(?<![\w.-])(?:[a-z0-9-]+-\d+\.)?({known})(?:\.[a-z0-9-]+\.svc(?:\.cluster\.local)?)?(?![\w.-])"
    )
    values = {key: long.sub(r"\1", value) for key, value in service.environment.items()}
    return replace(service, environment=values, command=tuple(long.sub(r"\1", word) for word in service.command))

"""What the runtimes are given: specs of replicas and stores, made from the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.matrix.model import Matrix, Service, Version
from verifier.rehearsal.environment import fill, store_spec
from verifier.runtime.base import Environment, ReplicaSpec, RunsImages, Runtime, StoreSpec

SLOWER = 3.0  # times what the slowest start of the service in a control with all old took


def known(matrix: Matrix, service: Service) -> tuple[str, ...]:
    """The names of the services and partners that a service can call."""
    names = [*matrix.ports] + [partner.name for partner in matrix.partners]
    return tuple(name for name in names if name != service.name)


def replica_spec(
    matrix: Matrix,
    service: Service,
    version: Version,
    name: str,
    environment: Environment,
    log: Path,
    stores: Mapping[str, str],
) -> ReplicaSpec:
    """The spec of a replica; `stores` are the URLs of the stores that run, none before the first path."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command, ready = version.command, service.ready
    if stores:
        command = command and tuple(fill(part, stores) for part in command)
        ready = replace(ready, value=fill(ready.value, stores))
    return ReplicaSpec(
        id=name,
        service=service.name,
        version=version.name,
        port=service.port,
        image=version.image,
        build=version.build,
        command=command,
        directory=version.directory,
        environment=environment,
        aliases=known(matrix, service),
        readiness=ready,
        log=log,
    )


def unfit(matrix: Matrix) -> dict[str, str]:
    """The runtime on which a matrix cannot run whatever the machine has, by name, with what it lacks there.

    Containers need images. What local processes lack is told when they are to start, for no other runtime is left.
    """
    lacking = [
        f"{service.name} {version.name}"
        for service in matrix.services
        for version in service.versions
        if version.image is None and version.build is None
    ]
    lacking += [f"store {store.name}" for store in matrix.stores if store.image is None]
    return {"docker": f"{lacking[0]} has no image"} if lacking else {}


def patient(spec: ReplicaSpec, times: float, booted: float) -> ReplicaSpec:
    """The spec with the seconds that a start may take beside other paths.

    They are `times` the declared ones, and not fewer than SLOWER times the seconds that the old version needed.
    """
    within = max(spec.readiness.within * times, SLOWER * booted)
    return replace(spec, readiness=replace(spec.readiness, within=within))


def every_spec(matrix: Matrix, directory: Path) -> tuple[tuple[ReplicaSpec, ...], tuple[StoreSpec, ...]]:
    """One replica of each version of each service, and all stores, as a run needs them before its first path."""
    replicas = []
    for service in matrix.services:
        for version in service.all_versions:
            name = f"{service.name}-{version.name}"
            replicas.append(replica_spec(matrix, service, version, name, (), directory / "logs" / f"{name}.log", {}))
    stores = tuple(store_spec(store, directory, directory / "logs" / f"{store.name}.log") for store in matrix.stores)
    return tuple(replicas), stores


async def image_digests(matrix: Matrix, runtime: RunsImages, directory: Path) -> tuple[tuple[str, str, str], ...]:
    """Service, version and a digest of its image, for each version and digest. Images must have been provided."""
    replicas, _ = every_spec(matrix, directory)
    found = await runtime.image_digests(replicas)
    return tuple((spec.service, spec.version, digest) for spec in replicas for digest in found.get(spec.id, ()))


async def provide(matrix: Matrix, runtime: Runtime, directory: Path) -> None:
    """Provide the images of all versions and stores, before the first path. Raises BrokenEnvironment."""
    for service in matrix.services:
        for version in service.all_versions:
            if runtime.name == "process" and version.command is None:
                raise BrokenEnvironment(
                    f"{service.name} {version.name} has no command: the process runtime cannot run an image"
                )
    await runtime.provide(*every_spec(matrix, directory))

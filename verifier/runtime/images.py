"""Makes sure that images exist: they are present, built from a context, or pulled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound
from docker.utils.build import exclude_paths

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Build, ReplicaSpec, StoreSpec
from verifier.runtime.engine import FAILURES, reason

CONTEXT_LABEL = "verifier.context"
_SILENT_BUILD = 1800  # seconds a build step may run without printing


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that a run needs, and the services or stores that need it."""

    name: str
    build: Build | None
    whose: str


def name_of(spec: ReplicaSpec) -> str:
    """The declared name of the image, or a generated one for a build. Raises BrokenEnvironment if it has neither."""
    if spec.image:
        return spec.image
    if spec.build is None:
        raise BrokenEnvironment(
            f"{spec.service} {spec.version} has neither `image` nor `build`, one of which the docker runtime needs"
        )
    digest = hashlib.sha256(str(spec.build.context).encode()).hexdigest()[:8]
    return f"verifier-{_plain(spec.service)}-{digest}:{_plain(spec.version)}"


def wanted(replicas: Iterable[ReplicaSpec], stores: Iterable[StoreSpec]) -> tuple[Wanted, ...]:
    """Every image once, in order of first use."""
    found: dict[str, Wanted] = {}
    for spec in replicas:
        name = name_of(spec)
        found.setdefault(name, Wanted(name, spec.build, f"{spec.service} {spec.version}"))
    for store in stores:
        if not store.image:
            raise BrokenEnvironment(f"store {store.name} has no `image`, which the docker runtime needs")
        found.setdefault(store.image, Wanted(store.image, None, f"store {store.name}"))
    return tuple(found.values())


def is_here(client: docker.DockerClient, want: Wanted) -> bool:
    """Whether the engine has the image. Raises BrokenEnvironment."""
    try:
        client.images.get(want.name)
    except ImageNotFound:
        return False
    except FAILURES as error:
        raise BrokenEnvironment(f"image {want.name} ({want.whose}): {reason(error)}") from None
    return True


def provide(client: docker.DockerClient, want: Wanted, logs: Path) -> None:
    """Make sure that one image exists. Raises BrokenEnvironment, naming the image and the reason."""
    digest = context_digest(want) if want.build else ""
    try:
        there = client.images.get(want.name)
    except ImageNotFound:
        there = None
    except FAILURES as error:
        raise BrokenEnvironment(f"image {want.name} ({want.whose}): {reason(error)}") from None
    if there is not None:
        # An image of this name may have been built from older files.
        built_from = (there.labels or {}).get(CONTEXT_LABEL, "")
        if want.build is None or built_from in ("", digest):
            return
    if want.build is not None:
        _build(client, want, want.build, digest, logs)
    else:
        _pull(client, want)


def context_digest(want: Wanted) -> str:
    """A hash of everything that a build reads from its context: names, modes and contents."""
    build = want.build
    if build is None or not build.context.is_dir():
        raise BrokenEnvironment(
            f"image {want.name} ({want.whose}): there is no build context {build and build.context}"
        )
    total = hashlib.sha256(repr((build.dockerfile, build.args)).encode())
    ignored = build.context / ".dockerignore"
    patterns = ignored.read_text().splitlines() if ignored.is_file() else []
    patterns = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    for name in sorted(exclude_paths(str(build.context), patterns, dockerfile=build.dockerfile)):
        path = build.context / name
        if path.is_symlink():
            total.update(f"{name}\0link\0{path.readlink()}\0".encode())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{name}\0{path.stat().st_mode & 0o777:o}\0{content}\0".encode())
    return total.hexdigest()


def _build(client: docker.DockerClient, want: Wanted, build: Build, digest: str, logs: Path) -> None:
    log = logs / f"build-{_plain(want.name)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        lines = client.api.build(
            path=str(build.context), dockerfile=build.dockerfile, buildargs=dict(build.args), tag=want.name,
            rm=True, forcerm=True, decode=True, labels={CONTEXT_LABEL: digest}, timeout=_SILENT_BUILD,
        )  # fmt: skip
        with log.open("w", encoding="utf-8") as output:
            problem = _follow(lines, output.write)
    except (*FAILURES, TypeError) as error:  # docker raises TypeError for a missing Dockerfile path
        problem = reason(error)
    if problem:
        raise BrokenEnvironment(f"image {want.name} ({want.whose}) could not be built: {problem}; see {log}")


def _pull(client: docker.DockerClient, want: Wanted) -> None:
    name, digest, tag = _split(want.name)
    try:
        problem = _follow(client.api.pull(name, tag=digest or tag, stream=True, decode=True), lambda _: None)
    except FAILURES as error:
        problem = reason(error)
    if problem:
        raise BrokenEnvironment(
            f"image {want.name} ({want.whose}) is not on this engine and cannot be pulled: {problem}"
        )


def digests(client: docker.DockerClient, name: str) -> tuple[str, ...]:
    """The id of an image and its digests in registries, which is how deployments name it."""
    image = client.images.get(name)
    registries = (entry.partition("@")[2] for entry in image.attrs.get("RepoDigests") or ())
    return tuple(dict.fromkeys(filter(None, (str(image.id), *registries))))


def _split(image: str) -> tuple[str, str, str]:
    """Name, digest and tag. Without digest and tag it is `latest`, because a pull without a tag fetches all tags."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    short, _, tag = last.partition(":")
    return head + slash + short, digest, tag or "latest"


def _follow(lines: Iterator[dict[str, Any]], write: Any) -> str:
    """Forward the text of a progress stream. Returns the error in it, or ""."""
    problem = ""
    for line in lines:
        text = line.get("stream") or line.get("error") or ""
        if text:
            write(str(text))
        if "error" in line:
            problem = " ".join(str(line["error"]).split())
    return problem


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-._") or "x"

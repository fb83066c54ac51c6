"""What is missing on this machine and in a matrix, found without starting anything (`verifier doctor`)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from verifier.errors import BrokenEnvironment
from verifier.matrix.model import Matrix
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.specs import every_spec
from verifier.runtime.base import ReplicaSpec, Runtime, StoreSpec
from verifier.runtime.select import RUNTIMES, make

Level = Literal["ok", "advice", "missing"]
SPACE = 1 << 30  # bytes that a run should find free on its disk


@dataclass(frozen=True, slots=True)
class Remark:
    """`missing` keeps the runtime named in `about`, or every run if there is none, from starting."""

    level: Level
    what: str
    about: str = ""


def of_inputs(prepared: Sequence[Prepared]) -> Iterator[Remark]:
    """What the plan shows: what no traffic reaches, and what keeps the verdict from being a pass."""
    for entry in prepared:
        plan = entry.plan
        steps, replays = len(plan.steps), sum(len(step.replays) for step in plan.steps)
        yield Remark("ok", f"{entry.pair}: {len(plan.paths)} paths, {steps} steps, {replays} replays")
        yield from (Remark("advice", sentence) for sentence in (*plan.same, *entry.notes))
        called = {service for script in entry.replay_scripts.values() for service in script.services}
        for service in entry.matrix.services:
            if service.new is service.old or service.kind == "worker":
                continue
            if service.name not in called:
                why = "a version that serves nothing makes the verdict unknown"
                yield Remark("advice", f"no recorded request goes to {service.name}: {why}")
            if not (service.old.contract and service.new.contract):
                yield Remark("advice", f"{service.name} has no contract: the controls alone say what is right")
        left = {item.why for item in plan.coverage.left_out if item.total}
        yield from (Remark("advice", f"a part of the replays is left out {why}") for why in sorted(left))


def of_machine(matrix: Matrix, directory: Path) -> Iterator[Remark]:
    """Which runtimes can run this matrix here. `directory` is an empty folder for files of this examination."""
    free = shutil.disk_usage(directory).free
    if free < SPACE:
        yield Remark("advice", f"only {free // (1 << 20)} MiB are free for run directories")
    for kind in RUNTIMES:
        problem = kind.problem()
        if problem is not None:
            yield Remark("missing", f"{kind.unusable}: {problem}", kind.name)
            continue
        yield Remark("ok", kind.usable, kind.name)
        yield from _on_docker(matrix, directory) if kind.name == "docker" else _locally(matrix, directory)


def runtimes(remarks: Sequence[Remark]) -> list[str]:
    """The runtimes for which nothing is missing, in the order in which `auto` tries them."""
    broken = {remark.about for remark in remarks if remark.level == "missing"}
    return [] if "" in broken else [kind.name for kind in RUNTIMES if kind.name not in broken]


def _on_docker(matrix: Matrix, directory: Path) -> Iterator[Remark]:
    from verifier.runtime import engine, images, own_container, remote

    where = os.environ.get("DOCKER_HOST", "")
    try:
        wanted = images.wanted(*every_spec(matrix, directory))
        with engine.connected() as client:
            if own_container.find(client) is not None:
                yield Remark("ok", "this container joins the network of a run, because the engine runs it", "docker")
            elif remote.is_remote(where):
                way = remote.ends(where)
                callers = ", ".join(sorted(remote.callers(way, where)))
                yield Remark("ok", f"its containers reach this machine at {way.here}, from {callers}", "docker")
            for want in wanted:
                if want.build is not None:
                    yield Remark("ok", f"image {want.name} ({want.whose}) is built from {want.build.context}", "docker")
                elif images.is_here(client, want):
                    yield Remark("ok", f"image {want.name} ({want.whose}) is here", "docker")
                else:
                    yield Remark("advice", f"image {want.name} ({want.whose}) is not here and will be pulled", "docker")
    except BrokenEnvironment as broken:
        yield Remark("missing", str(broken), "docker")


def _locally(matrix: Matrix, directory: Path) -> Iterator[Remark]:
    """Programs and stores as local processes."""
    runtime = make("process", "doctor", directory)
    replicas, stores = every_spec(matrix, directory)
    for replica in replicas:
        whose = f"{replica.service} {replica.version}"
        if replica.command is None:
            yield Remark("missing", f"{whose} has no command, so it cannot run as a local process", "process")
        elif problem := _problem(runtime, (replica,), ()):
            yield Remark("missing", problem, "process")
        else:
            yield Remark("ok", f"{whose} runs {replica.command[0]}", "process")
    for store in stores:
        if problem := _problem(runtime, (), (store,)):
            yield Remark("missing", problem, "process")
        else:
            yield Remark("ok", f"store {store.name} can run as a local process", "process")


def _problem(runtime: Runtime, replicas: tuple[ReplicaSpec, ...], stores: tuple[StoreSpec, ...]) -> str:
    """Why the runtime cannot provide these; "" if it can."""
    try:
        asyncio.run(runtime.provide(replicas, stores))
    except BrokenEnvironment as broken:
        return str(broken)
    return ""

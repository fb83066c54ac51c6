"""NATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from verifier.runtime.base import Address, Environment, Readiness, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores.kind import LocalStore, StoreKind, exchange
from verifier.runtime.stores.program import program

_PROGRAMS = ("nats-server",)


def url(environment: Environment, host: str, port: int) -> str:
    return f"nats://{host}:{port}"


async def nats_answers(at: Address) -> bool:
    """Whether a server introduces itself, as it does to whoever connects."""
    return await exchange(at, b"", 5) == b"INFO "


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    folder = own_folder()
    folder.mkdir(exist_ok=True)
    command = (
        program(spec, _PROGRAMS, "nats-server"), "--addr", LOOPBACK, "--port", "{port}",
        "--jetstream", "--store_dir", str(folder),
    )  # fmt: skip
    ready = replace(spec.readiness or Readiness("tcp", "", 30.0), kind="tcp")
    job = Job(command, spec.environment, folder, spec.log, ready, nats_answers)
    return LocalStore(job, lambda port: url(spec.environment, LOOPBACK, port), lasting="SIGTERM")


def check(spec: StoreSpec) -> None:
    program(spec, _PROGRAMS, "nats-server")


NATS = StoreKind(
    "nats", url, images=("nats",), port=4222, answers=lambda environment: nats_answers, local=local, check=check
)

"""Redis, and Valkey, which uses its protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from verifier.runtime.base import Address, Environment, Readiness, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores.kind import LocalStore, StoreKind, exchange
from verifier.runtime.stores.program import program

_PROGRAMS = ("redis-server", "valkey-server")


def url(environment: Environment, host: str, port: int) -> str:
    return f"redis://{host}:{port}/0"


async def redis_answers(at: Address) -> bool:
    """Whether a server answers PING, or at least asks for a password; while it loads its data it does neither."""
    answer = await exchange(at, b"*1\r\n$4\r\nPING\r\n", 7)
    return answer in (b"+PONG\r\n", b"-NOAUTH")


async def redis_saves(at: Address) -> bool:
    """Let a server write all of its data to its folder; returns whether it did."""
    return await exchange(at, b"*1\r\n$4\r\nSAVE\r\n", 5) == b"+OK\r\n"


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    """A server without a file of settings, which keeps its data in memory, and reads a dump where there is one."""
    folder = own_folder()
    folder.mkdir(exist_ok=True)
    command = (
        program(spec, _PROGRAMS, "redis-server"), "--port", "{port}", "--bind", LOOPBACK, "--dir", str(folder),
        "--save", "", "--appendonly", "no", "--daemonize", "no",
    )  # fmt: skip
    ready = replace(spec.readiness or Readiness("tcp", "", 30.0), kind="tcp")
    job = Job(command, spec.environment, folder, spec.log, ready, redis_answers)
    return LocalStore(job, lambda port: url(spec.environment, LOOPBACK, port), lasting="SIGKILL", save=redis_saves)


def check(spec: StoreSpec) -> None:
    program(spec, _PROGRAMS, "redis-server")


REDIS = StoreKind(
    "redis",
    url,
    images=("redis", "valkey"),
    port=6379,
    answers=lambda environment: redis_answers,
    parts=("url", "host", "port", "database"),
    local=local,
    check=check,
)

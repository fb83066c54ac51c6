"""Finding an engine, or starting one that ends with the tests. A user's own engine is used and left alone."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import docker
import psutil
from docker.errors import DockerException

from tests.engine.system import Unavailable, have, install, search_path

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
PACKAGES = ("docker.io", "iptables")
PROGRAMS = ("dockerd", "iptables")
# overlay2 is what engines use; vfs copies, but works on every file system, one overlay on another included.
DRIVERS = ("overlay2", "vfs")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides whether an engine can be had."""

    answers: bool
    host: str | None  # DOCKER_HOST
    system: str
    root: bool
    installed: bool
    apt: bool


@dataclass(frozen=True, slots=True)
class Decision:
    do: Literal["use", "start", "install", "nothing"]
    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    """An engine that the tests started: enough to end this process and no other that has got its number since."""

    pid: int
    created: float
    host: str | None


def decide(here: Surroundings) -> Decision:
    """What to do about an engine, from what is here."""
    if here.answers:
        return Decision("use", "an engine answers")
    if here.host:
        return Decision("nothing", f"DOCKER_HOST names {here.host}, where no engine answers")
    if here.system != "Linux":
        return Decision("nothing", f"no engine answers, and one cannot be started by tests on {here.system}")
    if not here.root:
        return Decision("nothing", "no engine answers, and starting one needs root")
    if here.installed:
        return Decision("start", "no engine answers")
    if here.apt:
        return Decision("install", "no engine is installed")
    return Decision("nothing", "no engine is installed, and there is no apt-get to install one")


def look() -> Surroundings:
    return Surroundings(
        answers=answers(),
        host=os.environ.get("DOCKER_HOST"),
        system=platform.system(),
        root=os.geteuid() == 0,
        installed=have(*PROGRAMS),
        apt=have("apt-get"),
    )


def answers(host: str | None = None) -> bool:
    """Whether the engine at `host`, or the one that the environment names, answers a ping."""
    try:
        client = docker.DockerClient(base_url=host, timeout=10) if host else docker.from_env(timeout=10)
    except DockerException:
        return False
    with contextlib.closing(client):
        try:
            return bool(client.ping())
        except (DockerException, OSError):
            return False


def bring_up(record: Path, here: Surroundings, say: Callable[[str], None]) -> None:
    """Have an engine answer. Raises Unavailable with the reason when there is none to be had."""
    decision = decide(here)
    if decision.do == "use":
        return
    if decision.do == "nothing":
        raise Unavailable(decision.reason)
    if decision.do == "install":
        say(f"{decision.reason}: installing {', '.join(PACKAGES)}")
        install(PACKAGES)
        if answers():  # installed as a service, which has started by itself
            return
    start(record, say)


def start(
    record: Path,
    say: Callable[[str], None],
    options: Sequence[str] = (),
    host: str | None = None,
    through: Sequence[str] = (),
) -> Started:
    """Start dockerd in a session of its own and wait until it answers; `record` remembers it for `end`.

    `through` is a command that becomes the one that follows it.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    program = shutil.which("dockerd", path=search_path()) or "dockerd"
    for driver in DRIVERS:
        say(f"starting dockerd with {driver}")
        log = record.with_suffix(f".{driver}.log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *through,
                    program,
                    "--storage-driver",
                    driver,
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "PATH": search_path()},
            )
        started = Started(process.pid, psutil.Process(process.pid).create_time(), host)
        record.write_text(json.dumps(asdict(started)))
        if _ready(process, host):
            return started
        end(record)
        process.wait()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        failures.append(f"dockerd with {driver} did not start:\n{tail}")
    raise Unavailable("\n".join(failures))


def _ready(process: subprocess.Popen[bytes], host: str | None) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if answers(host):
            return True
        time.sleep(0.2)
    return False


def end(record: Path) -> bool:
    """End the engine that `start` recorded, and only that one; True if there was one."""
    try:
        started = Started(**json.loads(record.read_text()))
    except FileNotFoundError:
        return False
    record.unlink()
    try:
        process = psutil.Process(started.pid)
        if abs(process.create_time() - started.created) > 1.0:
            return False
        process.send_signal(signal.SIGTERM)  # dockerd ends its containerd on its own
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            for member in [*process.children(recursive=True), process]:
                member.kill()
    except psutil.NoSuchProcess:
        return False
    return True

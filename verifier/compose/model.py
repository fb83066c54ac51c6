"""A Compose file as values, each with the line on which it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from verifier.located import Located

Command = str | tuple[str, ...]  # a line for a shell, or words


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service. `health` is the command of its health check, () without one, and `patience` is in seconds.

    `left` are the keys that a matrix has no place for, with the reason.
    """

    name: str
    line: int
    image: str = ""
    build: Located | None = None
    command: Command = ()
    environment: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # of the keys of the service, and of `environment.NAME`
    env_files: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    published: int = 0  # the port of this machine that leads to the first one
    health: Command = ()
    patience: float = 0.0
    needs: tuple[str, ...] = ()
    replicas: int = 1
    grace: float | None = None
    signal: str = ""
    mounts: tuple[tuple[str, str, int], ...] = ()  # source, target, line
    left: tuple[tuple[int, str, str], ...] = ()  # line, key, why

    @property
    def repository(self) -> str:
        """The image without tag and digest, or the context that it is built from."""
        if self.image:
            return repository(self.image)
        return str(self.build.plain()) if self.build is not None else ""


@dataclass(frozen=True, slots=True)
class ComposeFile:
    path: Path
    services: dict[str, ComposeService]
    left: tuple[tuple[int, str, str], ...] = ()  # keys of the file itself: line, key, why


def repository(image: str) -> str:
    head, slash, last = image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def tag(image: str) -> str:
    """The tag of an image, "" if it has none."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]

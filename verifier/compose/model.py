"""A Compose file as values, each with its place. Manifests of Kubernetes are read into the same values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Command = str | tuple[str, ...]  # a line for a shell, or words


class Place(NamedTuple):
    file: str  # its name alone
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


Left = tuple[tuple[Place, str, str], ...]  # what has no place in a matrix: where it stands, its key, why


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built. `context` is relative to the folder of the file. `left` has no place in a matrix."""

    context: str
    dockerfile: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service. `health` is the command of its health check, () without one, and `patience` is in seconds.

    Two are equal if they run the same, wherever they stand. `content` tells builds apart whose files differ.
    """

    name: str
    line: int = field(compare=False)
    path: Path = field(compare=False)  # of the file in which it stands; what it names is relative to its folder
    image: str = ""
    build: Build | None = None
    content: str = ""
    release: str = field(default="", compare=False)  # the name of its version, if the image does not tell it
    command: Command = ()
    environment: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict, compare=False)  # of its keys, and of `environment.NAME`
    env_files: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    published: int = field(default=0, compare=False)  # the port of this machine that leads to the first one
    health: Command = ()
    probe: tuple[str, str] | None = None  # `http` and a path, or `tcp` and "", where the platform asks by itself
    patience: float = 0.0
    needs: tuple[str, ...] = ()
    replicas: int = 1
    grace: float | None = None
    signal: str = ""
    rollout: str = ""  # how the platform replaces its replicas, as the items of `rollout` in a matrix
    mounts: tuple[tuple[str, str, int], ...] = field(default=(), compare=False)  # source, target, line
    left: Left = field(default=(), compare=False)

    @property
    def repository(self) -> str:
        """The image without tag and digest, or the context that it is built from."""
        if self.image:
            return repository(self.image)
        return repr(self.build) if self.build is not None else ""

    def place(self, key: str = "") -> Place:
        return Place(self.path.name, self.lines.get(key, self.line))


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """`path` is its file, or the first of several; `name` is how comments call it."""

    path: Path
    services: dict[str, ComposeService]
    left: Left = ()
    name: str = ""


def port(text: str) -> int:
    """The number of a port; 0 if the text is none."""
    number = int(text) if text.isdecimal() and len(text) < 6 else 0
    return number if number < 65536 else 0


def repository(image: str) -> str:
    head, slash, last = image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def tag(image: str) -> str:
    """The tag of an image, "" if it has none."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]

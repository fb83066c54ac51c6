"""Which services of a Compose file a rollout of one of them needs, and in which versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.compose.model import ComposeFile, ComposeService, Place, tag
from verifier.compose.read import read
from verifier.compose.recognise import OTHERS, is_migration, is_tool, last, line
from verifier.compose.references import reached
from verifier.errors import BadInput
from verifier.files import is_file
from verifier.runtime.stores.registered import of_image

YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A service that a rollout needs, in its old and its new version; equal if it is not upgraded."""

    old: ComposeService
    new: ComposeService
    migration: ComposeService | None = None  # what runs its migrations in the Compose file

    @property
    def upgraded(self) -> bool:
        return self.old != self.new

    @property
    def versions(self) -> tuple[str, str]:
        """The names of the versions: their tags if these tell them apart."""
        names = self.old.release or tag(self.old.image), self.new.release or tag(self.new.image)
        if not self.upgraded:
            return (names[0] or "current",) * 2
        return names if all(names) and names[0] != names[1] else ("old", "new")


@dataclass(slots=True)
class Deployment:
    """`unused` are services that the rollout does not need, and migrations that it cannot run, each with a reason."""

    compose: ComposeFile
    services: dict[str, Deployed] = field(default_factory=dict)
    stores: dict[str, ComposeService] = field(default_factory=dict)
    unused: list[tuple[Place, str, str]] = field(default_factory=list)


def deployment(
    compose: ComposeFile, service: str, old: str, new: str, read_file: Callable[[Path], ComposeFile] = read
) -> Deployment:
    """What a rollout of `service` needs. `old` and `new` are images, or files for `read_file`. Raises BadInput."""
    before, after = (version_of(compose, service, given, read_file) for given in (old, new))
    return between(compose, service, before, after)


def require(compose: ComposeFile, service: str) -> None:
    """Raises BadInput if there is no such service."""
    if service not in compose.services:
        known = ", ".join(name for name, entry in compose.services.items() if not is_store(entry))
        raise BadInput.one(compose.path, f"has no service {service!r}; it has {known}", key="--service")


def between(compose: ComposeFile, service: str, before: ComposeFile, after: ComposeFile) -> Deployment:
    """The same from the files of both versions. Raises BadInput if the service is equal in them."""
    if before.services.get(service) == after.services.get(service):
        raise BadInput.one(compose.path, f"{service} is the same in both versions", key="--new")
    found = Deployment(compose)
    needed = _needed(compose, service)
    migrations = {name: entry for name, entry in compose.services.items() if is_migration(entry)}
    for name, entry in compose.services.items():
        if name in migrations:
            continue
        if is_tool(entry):
            found.unused.append((entry.place(), name, "a tool for people"))
        elif name not in needed:
            found.unused.append((entry.place(), name, f"{service} does not need it"))
        elif is_store(entry):
            found.stores[name] = entry
        else:
            own = before.services.get(name, entry), after.services.get(name, entry)
            found.services[name] = Deployed(*own, _migration(entry, migrations))
    used = {entry.migration.name for entry in found.services.values() if entry.migration is not None}
    for name, entry in migrations.items():
        if name not in used:
            why = f"migrations in an image of their own: give {service} a `prepare` and a `migrate: {{expand: …}}`"
            found.unused.append((entry.place(), name, why))
    return found


def is_store(service: ComposeService) -> bool:
    return bool(service.image) and (of_image(service.image) is not None or last(service.image) in OTHERS)


def version_of(
    compose: ComposeFile, service: str, given: str, read_file: Callable[[Path], ComposeFile] = read
) -> ComposeFile:
    """The Compose file of a version: the file that was given, or one in which the service has the given image.

    Services of the same image or build, such as workers, get the given image too.
    """
    require(compose, service)
    path = Path(given)
    if path.suffix in YAML:
        if not is_file(path):
            raise BadInput.one(path, "there is no such file", key="--old, --new")
        found = read_file(path)
        require(found, service)
        return found
    base = compose.services[service].repository
    services = {
        name: replace(entry, image=given, build=None) if entry.repository == base or name == service else entry
        for name, entry in compose.services.items()
    }
    return replace(compose, services=services)


def _needed(compose: ComposeFile, service: str) -> set[str]:
    """The service, those of the same image, and everything that they reach."""
    base = compose.services[service].repository
    waiting = [service, *(name for name, entry in compose.services.items() if entry.repository == base)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in compose.services:
            continue
        found.add(name)
        entry = compose.services[name]
        waiting += [*entry.needs, *reached(entry.environment, compose.services, line(entry.command))]
    return found


def _migration(service: ComposeService, migrations: dict[str, ComposeService]) -> ComposeService | None:
    """The service of the same image that runs the migrations of this one, which has to wait for it or has a port."""

    def own() -> Iterator[ComposeService]:
        for name, entry in migrations.items():
            if entry.repository == service.repository and entry.command and (name in service.needs or service.ports):
                yield entry

    return next(own(), None)

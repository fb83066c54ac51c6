"""The key of a path in the cache: a digest of everything that its history follows from.

That is the verifier itself, the path with its replays and faults, the versions that run in it with their files or
images, the stores, the contracts, the recordings, the environment of local processes, and what the controls before it
have taught about exchanges that do not fit. How long the controls had to wait is left out: it bounds waiting, and
differs from run to run.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

import verifier
from verifier.history.store import SCHEMA
from verifier.matrix.model import Service, Version
from verifier.plan.model import Path as PlanPath
from verifier.rehearsal.environment import store_spec
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.run_directory import files_of
from verifier.rehearsal.specs import replica_spec
from verifier.runtime.base import Runtime
from verifier.runtime.fingerprint import of_file, of_folder

# What differs between two terminals and matters to no service, and where the cache is.
_OF_TERMINAL = frozenset({
    "_", "COLUMNS", "DBUS_SESSION_BUS_ADDRESS", "LINES", "OLDPWD", "PWD", "SHLVL", "SSH_AUTH_SOCK", "SSH_CLIENT",
    "SSH_CONNECTION", "SSH_TTY", "STY", "TERM", "TMUX", "TMUX_PANE", "VERIFIER_CACHE", "WINDOWID",
    "XDG_SESSION_ID",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellKeys:
    """Makes the keys of the paths of one run. `digests` are those of the runtime, by version and store."""

    prepared: Prepared
    runtime: str
    digests: Mapping[str, str | None]
    _files: dict[Path, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, prepared: Prepared, runtime: Runtime, directory: Path) -> CellKeys:
        """Those of the files and images as they are now."""
        matrix, versions = prepared.matrix, []
        for service in matrix.services:
            for version in service.all_versions:
                spec = replica_spec(
                    matrix, service, version, _name(service, version), version.environment, directory / "logs" / "_", {}
                )
                migrations = version.migrations
                commands = (version.command, version.prepare, version.seed, migrations.expand, migrations.migrate,
                            migrations.contract, migrations.undo)  # fmt: skip
                versions.append((spec, [command for command in commands if command]))
        stores = [store_spec(store, directory, directory / "logs" / "_") for store in matrix.stores]
        return cls(prepared, runtime.name, await runtime.digests(versions, stores))

    def key(self, path: PlanPath, number: int, misfits: set[tuple[str, int]]) -> str | None:
        """The key of a path, whose place in the plan is `number`; None if not everything is known."""
        prepared, matrix = self.prepared, self.prepared.matrix
        if prepared.credentials is not None and prepared.names_secrets:
            return None  # accounts and their state are elsewhere
        running = _running(prepared, path)
        made_of = [self.digests.get(_name(service, version)) for service, version in running]
        made_of += [self.digests.get(store.name) for store in matrix.stores]
        if None in made_of:
            return None
        names = {(service.name, version.name) for service, version in running}
        contracts = [
            file for service, version, file in prepared.contracts if not version or (service, version) in names
        ]
        files = [file for contract in contracts for file in sorted(files_of(contract.resolve()))]
        files += [traffic.recording for traffic in matrix.traffic]
        files += [file for store in matrix.stores for file in (store.seed, store.content) if file is not None]
        services = [_service(service, names) for service in matrix.services]
        parts = (
            _tool(), self.runtime, _machine(self.runtime), SCHEMA, path, number, prepared.plan.seed, sorted(misfits),
            services, running, made_of, matrix.stores, matrix.partners, matrix.replaying, matrix.ports, matrix.traffic,
            matrix.invariants,
            [(str(file), self._content(file)) for file in files],
        )  # fmt: skip
        text = msgspec.json.encode(_plain(parts), order="deterministic")
        return hashlib.sha256(text).hexdigest()

    def _content(self, file: Path) -> str:
        if file not in self._files:
            self._files[file] = (of_folder(file) or os.urandom(8).hex()) if file.is_dir() else of_file(file)
        return self._files[file]


def _name(service: Service, version: Version) -> str:
    return f"{service.name}-{version.name}"


def _running(prepared: Prepared, path: PlanPath) -> list[tuple[Service, Version]]:
    """The versions that the path runs, and those before them that make its stores ready."""
    acting = {(action.service, action.version) for step in path.steps for action in step.actions}
    return [
        (service, version)
        for service in prepared.matrix.services
        for version in service.all_versions
        if (service.name, version.name) in acting or version in (*service.before, service.old)
        or (version in service.skipped and (service.name, service.new.name) in acting)
    ]  # fmt: skip


def _service(service: Service, names: set[tuple[str, str]]) -> Service:
    """The service with the declarations of these versions alone; of the others only the names stay."""

    def kept(versions: tuple[Version, ...]) -> tuple[Version, ...]:
        return tuple(
            version
            if (service.name, version.name) in names
            else Version(version.name, None, None, None, Path(), (), None)
            for version in versions
        )

    return replace(service, versions=kept(service.versions), before=kept(service.before), skipped=kept(service.skipped))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str, order="deterministic")


@lru_cache(maxsize=1)
def _tool() -> str:
    """The verifier by the content of its modules."""
    root = Path(verifier.__file__).parent
    files = sorted(root.rglob("*.py"))
    return hashlib.sha256("".join(f"{file.relative_to(root)} {of_file(file)}\n" for file in files).encode()).hexdigest()


def _machine(runtime: str) -> tuple[Any, ...]:
    """Where local processes run. Containers bring their own."""
    if runtime != "process":
        return ()
    environment = sorted((name, value) for name, value in os.environ.items() if name not in _OF_TERMINAL)
    return platform.node(), platform.platform(), sys.version, environment

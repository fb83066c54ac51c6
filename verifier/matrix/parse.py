"""Reads `matrices/NAME.yaml`. All problems are reported at once, with file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from verifier.errors import BadInput
from verifier.files import read_text, resolved
from verifier.located import Located, Reader, load
from verifier.matrix.invariants import read_invariants
from verifier.matrix.model import (
    ATTEMPTS,
    FAULTS,
    Matrix,
    Partner,
    Store,
)
from verifier.matrix.pairs import read_pairs
from verifier.matrix.references import CallerEnvironment, PartsOf, check_references, every_part
from verifier.matrix.replaying import read_replaying
from verifier.matrix.rollout import check_after, read_rollout
from verifier.matrix.services import read_readiness, read_service
from verifier.matrix.traffic import read_traffic

NAME = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
KEYS = (
    "matrix", "services", "stores", "partners", "rollout", "traffic", "faults", "budget", "replay", "pairs", "try",
    "invariants",
)  # fmt: skip
T = TypeVar("T")


def parse(
    file: Path,
    process_stores: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    parts_of: PartsOf = every_part,
    folder: Path | None = None,
    recorded: bool = True,
) -> Matrix:
    """The matrix of a file. `process_stores` are the stores that a matrix may name as `process` of a store.

    `environ` holds the variables of `${env.NAME}`, and `parts_of` says by what a store can be called.
    Paths in the matrix are relative to `folder`, by default that of the file. Not `recorded`: its traffic is left out.
    Raises BadInput with all problems found.
    """
    file = resolved(Path(), str(file)) or file
    reader = Reader()
    root = load(file)
    items = dict(reader.mapping(root, KEYS))
    check_references(reader, items, parts_of)
    caller = CallerEnvironment(environ)
    for section in {"services", "stores"} & items.keys():
        items[section] = caller.filled(reader, items[section])
    folder = folder or file.parent
    for needed in ("services", "traffic") if recorded else ("services",):
        if needed not in items:
            reader.problem(root, f"must declare {needed!r}")
    services = _named(reader, items.get("services"), lambda name, at: read_service(reader, name, at, folder, caller))
    stores = _named(reader, items.get("stores"), lambda name, at: _store(reader, name, at, process_stores, folder))
    partners = _named(reader, items.get("partners"), lambda name, at: _partner(reader, name, at, folder))
    # Names count as declared even if their services are invalid, so that each mistake is reported once.
    names = tuple(reader.mapping(items.get("services")))
    matrix = Matrix(
        name=reader.text(items.get("matrix"), file.stem),
        file=file,
        services=services,
        stores=stores,
        partners=partners,
        rollout=read_rollout(reader, items.get("rollout"), names, services),
        traffic=read_traffic(reader, items.get("traffic"), items.get("services"), names, folder) if recorded else (),
        faults=_faults(reader, items.get("faults")),
        budget=reader.seconds(items.get("budget"), 300.0),
        replaying=read_replaying(reader, items.get("replay")),
        caller=tuple(sorted(caller.used.items())),
        pairs=read_pairs(reader, items.get("pairs"), services),
        invariants=read_invariants(reader, items.get("invariants"), stores),
        attempts=tuple(reader.choice(item, ATTEMPTS, ATTEMPTS[0]) for item in reader.items(items.get("try"))),
    )
    if services and all(len(service.versions) == 1 for service in services):
        reader.problem(items["services"], "no service has two versions: there is nothing to deploy")
    check_after(reader, reader.mapping(items.get("services")))
    _check_names(reader, root, items)
    reader.finish()
    if not services:
        raise BadInput.one(file, "declares no service", line=root.line, key="services")
    return matrix


def _named(reader: Reader, at: Located | None, one: Callable[[str, Located], T | None]) -> tuple[T, ...]:
    found = []
    for name, item in reader.mapping(at).items():
        if not NAME.fullmatch(name):
            reader.problem(item, f"{name!r} must be a host name: lower-case letters, digits and dashes")
        value = one(name, item)
        if value is not None:
            found.append(value)
    return tuple(found)


def _store(reader: Reader, name: str, at: Located, process_stores: Sequence[str], folder: Path) -> Store:
    items = reader.mapping(at, ("image", "process", "kind", "environment", "port", "ready", "seed", "content"))
    seed = reader.file(items.get("seed"), folder)
    if seed is not None and seed.suffix != ".sql":
        reader.problem(items["seed"], "must be a .sql file; a command stands beside the versions of a service: seed")
    elif seed is not None:
        try:
            read_text(seed)
        except BadInput as error:
            reader.problems += error.problems
    kind = reader.choice(items["kind"], process_stores, process_stores[0]) if "kind" in items else None
    process = items.get("process")
    stand_in: str | tuple[str, ...] | None = kind
    if process is not None and isinstance(process.value, list):
        stand_in = reader.texts(process)
    elif process is not None:
        stand_in = reader.choice(process, process_stores, process_stores[0])
    if not {"image", "process", "kind"} & items.keys():
        reader.problem(at, "needs an 'image' (Docker runtime), a 'process' (process runtime) or both")
    content = None
    if "content" in items and stand_in not in ("file", "directory"):
        reader.problem(items["content"], "has no effect: only the stores file and directory begin with content")
    elif "content" in items:
        at_content = items["content"]
        content = (
            reader.file(at_content, folder) if stand_in == "file" else reader.folder(at_content, folder, "directory")
        )
    return Store(
        name=name,
        image=reader.text(items["image"]) if "image" in items else None,
        process=stand_in,
        environment=reader.pairs(items.get("environment")),
        port=reader.whole(items["port"], 0, 1, 65535) if "port" in items else None,
        ready=read_readiness(reader, items["ready"]) if "ready" in items else None,
        seed=seed,
        kind=kind,
        content=content,
    )


def _partner(reader: Reader, name: str, at: Located, folder: Path) -> Partner:
    items = reader.mapping(at, ("contract", "delay"))
    return Partner(name, reader.file(items.get("contract"), folder), reader.seconds(items.get("delay"), 0.0))


def _faults(reader: Reader, at: Located | None) -> tuple[str, ...]:
    if at is None or at.value == "all":
        return FAULTS
    if at.value == "none":
        return ()
    if not isinstance(at.value, list):
        reader.problem(at, f"must be all, none or a list of: {', '.join(FAULTS)}")
        return ()
    return tuple(reader.choice(item, FAULTS, FAULTS[0]) for item in at.value)


def _check_names(reader: Reader, root: Located, items: dict[str, Located]) -> None:
    seen: dict[str, str] = {}
    for section in ("services", "stores", "partners"):
        at = items.get(section)
        for name, item in (at.value if at is not None and isinstance(at.value, dict) else {}).items():
            if name in seen:
                reader.problem(item, f"the name {name!r} is already taken by {seen[name]}")
            seen[name] = section

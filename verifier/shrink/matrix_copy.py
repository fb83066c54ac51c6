"""The matrix of a reproduction: that of the run, with its paths as they are seen from another folder.

Contracts and recordings are copied, because they are what a reproduction is made of. Programs, build contexts, data and
secrets stay where they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from verifier.located import load
from verifier.matrix.model import Matrix, Traffic

BUDGET = "1m"
RUNNING = ("command", "prepare", "seed", "migrate")  # what runs in the folder of a version
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moved:
    """How paths change: they were relative to `origin` and become relative to `folder`.

    `contracts` are the copies, by service and version; the version of a partner is "".
    """

    origin: Path
    folder: Path
    contracts: Mapping[tuple[str, str], Path]

    def path(self, name: str) -> str:
        return os.path.relpath(self.origin / name, self.folder)


def matrix_text(file: Path, matrix: Matrix, moved: Moved, recordings: Sequence[tuple[Traffic, str]], why: str) -> str:
    """The matrix file of a reproduction as YAML text, which ends with a newline.

    `matrix` is what was read from the file, with the versions of one pair. `recordings` are the recordings of the
    reproduction, each with the traffic that it is a part of. `why` is the comment at the top.
    """
    document: Document = load(file).plain()
    document["matrix"] = matrix.name
    for name, service in document["services"].items():
        _move_service(name, service, moved)
    for store in (document.get("stores") or {}).values():
        for key in {"seed", "content"} & store.keys():
            store[key] = moved.path(store[key])
    for name, partner in (document.get("partners") or {}).items():
        if partner and "contract" in partner:
            partner["contract"] = _contract(moved, name, "", partner["contract"])
    declared = document["traffic"]
    document["traffic"] = [_traffic(declared, traffic, name, moved) for traffic, name in recordings]
    document["budget"] = BUDGET
    document.pop("try", None)
    changed = [service for service in matrix.services if service.old is not service.new]
    if changed and any(len(entry["versions"]) > 2 for entry in document["services"].values()):
        document["pairs"] = [[changed[0].old.name, changed[0].new.name]]
    else:
        document.pop("pairs", None)
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return "".join(f"# {line}\n" for line in why.splitlines()) + text


def _move_service(name: str, service: Document, moved: Moved) -> None:
    _move_paths(service, moved)
    shared = "directory" in service
    for version, own in service["versions"].items():
        own = service["versions"][version] = own or {}
        _move_paths(own, moved)
        if "contract" in own or "contract" in service:
            own["contract"] = _contract(moved, name, str(version), own.get("contract") or service["contract"])
        runs = any(key in entry for key in RUNNING for entry in (own, service))
        if runs and not shared and "directory" not in own:
            own["directory"] = moved.path(".")
    service.pop("contract", None)


def _move_paths(entry: Document, moved: Moved) -> None:
    if "directory" in entry:
        entry["directory"] = moved.path(entry["directory"])
    files = entry.get("env_file")
    if files is not None:
        entry["env_file"] = [moved.path(file) for file in files] if isinstance(files, list) else moved.path(files)
    build = entry.get("build")
    if isinstance(build, str):
        entry["build"] = moved.path(build)
    elif isinstance(build, dict) and "context" in build:
        build["context"] = moved.path(build["context"])


def _contract(moved: Moved, service: str, version: str, name: str) -> str:
    copy = moved.contracts.get((service, version))
    return moved.path(name) if copy is None else os.path.relpath(copy, moved.folder)


def _traffic(declared: Sequence[Document], traffic: Traffic, name: str, moved: Moved) -> Document:
    """The entry of a recording, without the filters, which have been applied."""
    own = next(entry for entry in declared if (moved.origin / entry["recording"]).resolve() == traffic.recording)
    kept = {key: value for key, value in own.items() if key not in ("include", "exclude")} | {"recording": name}
    for source in (kept.get("credentials") or {}).values():
        _move_file(source, moved)
    for rule in (kept.get("rules") or {}).get("computed") or ():
        _move_file(rule.get("key"), moved)
    return kept


def _move_file(source: Any, moved: Moved) -> None:
    if isinstance(source, dict) and "file" in source:
        source["file"] = moved.path(source["file"])

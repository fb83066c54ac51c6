"""Versions that are commits: the files of a commit are exported, and its services are built from them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.compose.deployment import require
from verifier.compose.interpolation import dotenv
from verifier.compose.model import ComposeFile, ComposeService
from verifier.compose.read import read
from verifier.errors import BadInput
from verifier.files import is_file

PREFIX = "git:"
_WITHIN = 120  # seconds that git may take
_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the repository whose top folder is `top`; `name` is what its versions are called."""

    top: Path
    commit: str
    name: str


def revision(compose: ComposeFile, service: str, given: str) -> Revision | None:
    """The commit that `given` names: `git:REF`, or any ref if the service is built from a repository. Else None.

    Raises BadInput for a `git:REF` that there is not.
    """
    require(compose, service)
    ref = given.removeprefix(PREFIX)
    folder = compose.path.resolve().parent
    if not given.startswith(PREFIX) and compose.services[service].build is None:
        return None
    top = _git(folder, "rev-parse", "--show-toplevel").strip() if not ref.startswith("-") else ""
    commit = _git(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip() if top else ""
    if commit:
        name = ref[:12] if _HASH.fullmatch(ref) else re.sub(r"[^A-Za-z0-9._-]+", "-", ref).strip("-.")
        return Revision(Path(top), commit, name or commit[:12])
    if given.startswith(PREFIX):
        raise BadInput.one(compose.path, f"is in no git repository with a commit {ref!r}", key="--old, --new")
    return None


def at_revision(compose: ComposeFile, service: str, found: Revision, folder: Path) -> ComposeFile:
    """The Compose file of a commit. Its files are exported into a folder of `folder`. Raises BadInput."""
    path = compose.path.resolve()
    inside = path.relative_to(found.top)
    exported = _export(found, folder)
    there = exported / inside
    declared = read(there, dotenv(path.parent)) if is_file(there) else compose
    require(declared, service)
    if declared.services[service].build is None:
        told = f"{service} has no `build`, so it cannot be built from commit {found.commit[:12]}"
        raise BadInput.one(compose.path, told, key="--old, --new")
    services = {name: _built(entry, there, path, found) for name, entry in declared.services.items()}
    return replace(declared, services=services)


def _built(entry: ComposeService, there: Path, here: Path, found: Revision) -> ComposeService:
    """The service with the files of the commit. Files that the repository does not have are those of today."""
    files = tuple(file if is_file(there.parent / file) else str(here.parent / file) for file in entry.env_files)
    if entry.build is None:
        return replace(entry, path=there, env_files=files)
    context = (here.parent / entry.build.context).resolve()
    inside = context.relative_to(found.top) if context.is_relative_to(found.top) else Path()
    path = "" if inside == Path() else inside.as_posix()
    tree = _git(found.top, "rev-parse", "--verify", "--quiet", f"{found.commit}:{path}")
    return replace(
        entry, path=there, image="", release=found.name, content=tree.strip() or found.commit, env_files=files
    )


def _export(found: Revision, folder: Path) -> Path:
    """The files of a commit in a folder of their own, which is ignored by git. Nothing half is left."""
    target = (folder / found.commit[:12]).resolve()
    if target.is_dir():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        archive = subprocess.run(
            ["git", "-C", str(found.top), "archive", "--format=tar", found.commit],
            capture_output=True, check=True, timeout=_WITHIN,
        ).stdout  # fmt: skip
        half = Path(tempfile.mkdtemp(prefix=".half-", dir=folder))
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(half, filter="data")
            half.chmod(0o755)
            half.rename(target)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
        raise BadInput.one(
            folder, f"commit {found.commit[:12]} cannot be exported: {error}", key="--old, --new"
        ) from None
    return target


def _git(folder: Path, *words: str) -> str:
    """What git says; "" if it fails, or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=_WITHIN)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""

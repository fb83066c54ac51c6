"""A file or a folder as a store of the process runtime, fresh for each path, with content to begin with if declared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Environment, StoreSpec
from verifier.runtime.stores.kind import LocalStore, StoreKind


async def local_file(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    folder = own_folder()
    file = folder / (spec.name if spec.content is None else spec.content.name)
    if not folder.exists():
        folder.mkdir()
        if spec.content is None:
            file.touch()
        else:
            shutil.copyfile(spec.content, file)
    return LocalStore(None, lambda port: file.as_uri(), lasting="")


async def local_directory(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    folder = own_folder()
    if not folder.exists():
        if spec.content is None:
            folder.mkdir()
        else:
            shutil.copytree(spec.content, folder)
    return LocalStore(None, lambda port: folder.as_uri(), lasting="")


def _check_file(spec: StoreSpec) -> None:
    if spec.content is not None and not spec.content.is_file():
        raise BrokenEnvironment(f"store {spec.name}: its content {spec.content} is no file")


def _check_directory(spec: StoreSpec) -> None:
    if spec.content is not None and not spec.content.is_dir():
        raise BrokenEnvironment(f"store {spec.name}: its content {spec.content} is no folder")


FILE = StoreKind("file", local=local_file, check=_check_file, parts=("url", "path"))
DIRECTORY = StoreKind("directory", local=local_directory, check=_check_directory, parts=("url", "path"))

"""The labelled pairs of `corpus/`, each as two whole documents with its expected columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from verifier.contracts.verdicts import COLUMNS

FOLDER = Path(__file__).parent / "corpus"
_WORDS = {"C": "compatible", "B": "breaking", "S": "skew"}


@dataclass(frozen=True, slots=True)
class Pair:
    """`expected` follows COLUMNS; `row` is the file the pair comes from; `http` is false for events and stored data."""

    name: str
    row: str
    old: dict[str, Any]
    new: dict[str, Any]
    expected: tuple[str, ...]
    why: str
    http: bool

    def write(self, folder: Path) -> tuple[Path, Path]:
        paths = (folder / f"{self.name}.old.json", folder / f"{self.name}.new.json")
        for path, document in zip(paths, (self.old, self.new), strict=True):
            path.write_text(json.dumps(document), encoding="utf-8")
        return paths


def load_corpus() -> tuple[Pair, ...]:
    pairs = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["pairs"]:
            pairs.append(_pair(entry, file.stem))
    names = [pair.name for pair in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"names that stand twice: {sorted({n for n in names if names.count(n) > 1})}")
    return tuple(pairs)


def _pair(entry: dict[str, Any], row: str) -> Pair:
    expected = tuple(_WORDS[letter] for letter in entry["expect"])
    if len(expected) != len(COLUMNS) or not entry["why"]:
        raise ValueError(f"{entry['name']}: needs {len(COLUMNS)} labels and a reason")
    old, new = (_document(entry, side) for side in ("old", "new"))
    return Pair(entry["name"], row, old, new, expected, entry["why"], entry["kind"] not in ("stored", "events"))


def _document(entry: dict[str, Any], side: str) -> dict[str, Any]:
    value, kind = entry[side], entry["kind"]
    if kind in ("document", "stored", "events"):
        return value  # type: ignore[no-any-return]
    schemas = entry.get(f"{side}_schemas", entry.get("schemas"))
    version = entry.get(f"{side}_version", entry.get("version", "3.0.3"))
    whole: dict[str, Any] = {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": _paths(kind, value)}
    if schemas:
        whole["components"] = {"schemas": schemas}
    return whole


def _paths(kind: str, value: Any) -> dict[str, Any]:
    if kind == "paths":
        return value  # type: ignore[no-any-return]
    if kind == "operation":
        return {"/things": {"post": value}}
    if kind == "parameters":
        return {"/things": {"get": {"parameters": value, "responses": {"200": {"description": "ok"}}}}}
    content = {"application/json": {"schema": value}}
    operation: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    if kind in ("both", "document-versions", "request"):
        operation["requestBody"] = {"required": True, "content": content}
    if kind in ("both", "document-versions", "answer"):
        operation["responses"]["200"]["content"] = content
    return {"/things": {"post": operation}}

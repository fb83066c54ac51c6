"""Reads a contract file of any supported format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verifier.contracts import asyncapi, openapi3, swagger
from verifier.contracts.document import Documents, Location
from verifier.contracts.model import Contract, StoredDocument
from verifier.contracts.schema import Schemas
from verifier.errors import BadInput
from verifier.files import resolved

_SCHEMA_WORDS = {"$schema", "type", "properties", "$ref", "allOf", "anyOf", "oneOf", "enum", "const", "items", "$defs",
                 "definitions", "not", "if"}  # fmt: skip


def load(path: Path) -> Contract:
    """Read OpenAPI 3, Swagger 2.0, AsyncAPI 2 or 3, or a bare JSON Schema. Raises BadInput with file and pointer."""
    documents = Documents(resolved(Path(), str(path)) or path)
    root = documents.root
    if not isinstance(root, dict):
        raise BadInput.one(path, "is not a contract: the document must be a mapping")
    try:
        return _read(documents, root)
    except RecursionError:
        raise BadInput.one(path, "is nested too deeply") from None


def _read(documents: Documents, root: dict[str, Any]) -> Contract:
    for key, versions, reader in (
        ("openapi", ("3.0", "3.1", "3.2"), openapi3.read),
        ("swagger", ("2.0",), swagger.read),
        ("asyncapi", ("2.", "3."), asyncapi.read),
    ):
        if key in root:
            if not any(str(root[key]).startswith(version) for version in versions):
                message = f"{key} {root[key]} is not known; known: {', '.join(versions)}"
                raise documents.bad(Location(documents.file, f"/{key}"), message)
            return reader(documents)
    if _SCHEMA_WORDS & set(root):
        return _stored(documents, root)
    message = "is not a contract: no `openapi`, `swagger` or `asyncapi` key, and no JSON Schema"
    raise BadInput.one(documents.file, message)


def _stored(documents: Documents, root: dict[str, Any]) -> Contract:
    schema = Schemas(documents, old_dialect=False).schema(root, Location(documents.file, ""), "response")
    title = str(root.get("title") or documents.file.name.partition(".")[0])
    # Versions of one document often differ in file name and title. A file contains one document, so the id is constant.
    stored = StoredDocument("document", schema)
    return Contract(title, str(root.get("version", "")), str(documents.file), "jsonschema", documents=(stored,))

"""Reading code that OpenAPI, Swagger and AsyncAPI documents share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from verifier.contracts.document import Documents, Location, located
from verifier.contracts.model import Requirement, Schema
from verifier.contracts.schema import Direction, Schemas
from verifier.located import Located

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Parts:
    """Reads mappings, references and schemas with their places, in any dialect."""

    def __init__(self, documents: Documents, *, old_dialect: bool) -> None:
        self.documents = documents
        self.root = documents.root
        self.top = Location(documents.file, "")
        self.schemas = Schemas(documents, old_dialect=old_dialect)

    def mapping(self, value: Any, at: Location) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.documents.bad(at, "must be a mapping")
        return value

    def items(self, value: Any, at: Location) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.documents.bad(at, "must be a list")
        return value

    def whole(self, value: Any, at: Location) -> tuple[dict[str, Any], Location]:
        """A mapping after following its `$ref`."""
        found, place = self.documents.follow(value, at)
        return self.mapping(found, place), place

    def schema(self, value: Any, at: Location, direction: Direction) -> Schema | None:
        return None if value is None else self.schemas.schema(value, at, direction)

    def guarantees(self, value: dict[str, Any], at: Location) -> Located | None:
        if "x-guarantees" not in value:
            return None
        place = at.down("x-guarantees")
        return located(place.file, place.pointer, value["x-guarantees"])

    def info(self) -> dict[str, Any]:
        return self.mapping(self.root.get("info"), self.top.down("info"))

    def requirements(self, value: Any, at: Location) -> tuple[Requirement, ...]:
        found = []
        for index, item in enumerate(self.items(value, at)):
            schemes = self.mapping(item, at.down(index))
            for name, scopes in schemes.items():
                self.items(scopes, at.down(index, name))
            pairs = sorted((name, tuple(sorted(map(str, scopes or ())))) for name, scopes in schemes.items())
            found.append(Requirement(tuple(pairs)))
        return tuple(found)


class HttpParts(Parts):
    """Reads what only OpenAPI and Swagger documents have."""

    def methods(self) -> Iterator[tuple[str, str, dict[str, Any], Location]]:
        """Each path with each of its methods and the path item, without extensions."""
        at = self.top.down("paths")
        for path, value in self.mapping(self.root.get("paths"), at).items():
            if path.startswith("x-"):
                continue
            if not path.startswith("/"):
                raise self.documents.bad(at.down(path), "a path must begin with /")
            item, place = self.whole(value, at.down(path))
            for method in METHODS:
                if method in item:
                    yield path, method, item, place

    def parameters(self, *holders: tuple[dict[str, Any], Location]) -> Iterator[tuple[dict[str, Any], Location]]:
        """The parameters of a path item, followed by those of the operation."""
        for holder, at in holders:
            for index, raw in enumerate(self.items(holder.get("parameters"), at.down("parameters"))):
                yield self.whole(raw, at.down("parameters", index))

    def responses(self, operation: dict[str, Any], at: Location) -> Iterator[tuple[str, dict[str, Any], Location]]:
        """Each answer of an operation by its status, extensions left out."""
        for status, raw in self.mapping(operation.get("responses"), at).items():
            if status.startswith("x-"):
                continue
            value, place = self.whole(raw, at.down(status))
            self._check_status(status, at.down(status))
            yield status, value, place

    def _check_status(self, status: str, at: Location) -> None:
        number = status[:1] in tuple("12345") and len(status) == 3
        if status != "default" and not (number and (status[1:].isdigit() or status[1:].upper() == "XX")):
            raise self.documents.bad(at, f"{status!r} is no status: 200, 2XX or default")


def plain_media(name: str) -> str:
    return name.partition(";")[0].strip().lower()

"""Swagger 2.0 documents as contracts."""

from __future__ import annotations

from typing import Any

from verifier.contracts.document import Documents, Location
from verifier.contracts.model import (
    Body,
    Contract,
    ContractOperation,
    Header,
    Media,
    Parameter,
    ResponseContract,
    Schema,
    SecurityScheme,
)
from verifier.contracts.parts import HttpParts, plain_media

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_STYLES = {"csv": "form", "ssv": "spaceDelimited", "pipes": "pipeDelimited", "tsv": "tabDelimited", "multi": "form"}
_SIMPLE = ("type", "format", "items", "default", "enum", "minimum", "maximum", "exclusiveMinimum",
           "exclusiveMaximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "multipleOf",
           "x-nullable")  # fmt: skip


def read(documents: Documents) -> Contract:
    """The contract of a Swagger 2.0 document. Raises BadInput with the place of the problem."""
    return _Reader(documents).contract()


class _Reader(HttpParts):
    def __init__(self, documents: Documents) -> None:
        super().__init__(documents, old_dialect=True)

    def contract(self) -> Contract:
        info, base = self.info(), str(self.root.get("basePath") or "").rstrip("/")
        return Contract(
            title=str(info.get("title", "")),
            version=str(info.get("version", "")),
            file=str(self.documents.file),
            dialect="swagger",
            operations=tuple(self._operation(*found) for found in self.methods()),
            schemes=self._schemes(),
            bases=(base,) if base else (),
            guarantees=self.guarantees(self.root, self.top),
        )

    def _schemes(self) -> tuple[SecurityScheme, ...]:
        at = self.top.down("securityDefinitions")
        found = []
        for name, value in sorted(self.mapping(self.root.get("securityDefinitions"), at).items()):
            scheme = self.mapping(value, at.down(name))
            kind = str(scheme.get("type", ""))
            if kind == "apiKey":
                kind += f" {scheme.get('in', '')} {scheme.get('name', '')}"
            found.append(SecurityScheme(name, "http basic" if kind == "basic" else kind))
        return tuple(found)

    def _operation(self, path: str, method: str, item: dict[str, Any], item_at: Location) -> ContractOperation:
        at = item_at.down(method)
        value = self.mapping(item[method], at)
        raw: dict[tuple[str, str], tuple[dict[str, Any], Location]] = {}
        for parameter, place in self.parameters((item, item_at), (value, at)):
            raw[str(parameter.get("name", "")), str(parameter.get("in", ""))] = (parameter, place)
        consumes = self._media_types(value, "consumes")
        return ContractOperation(
            id=str(value.get("operationId") or f"{method.upper()} {path}"),
            method=method.upper(),
            path=path,
            parameters=tuple(found for entry in raw.values() if (found := self._parameter(*entry)) is not None),
            body=self._body(list(raw.values()), consumes, at),
            answers=self._answers(value, at.down("responses")),
            security=self.requirements(value.get("security", self.root.get("security")), at.down("security")),
            pointer=f"#{at.pointer}",
            guarantees=self.guarantees(value, at),
            deprecated=value.get("deprecated") is True,
        )

    def _media_types(self, operation: dict[str, Any], key: str) -> list[str]:
        names = self.items(operation.get(key, self.root.get(key)), self.top.down(key))
        return list(dict.fromkeys(plain_media(str(name)) for name in names))

    def _parameter(self, value: dict[str, Any], at: Location) -> Parameter | None:
        place = value.get("in")
        if place in ("body", "formData"):
            return None
        if place not in ("path", "query", "header") or not value.get("name"):
            message = "a parameter needs a name, and `in` as path, query, header, body or formData"
            raise self.documents.bad(at, message)
        if place == "header" and str(value["name"]).lower() in ("accept", "content-type", "authorization"):
            return None
        style = str(value.get("collectionFormat", "csv"))
        query_style = _STYLES.get(style, "form") if place == "query" else "simple"
        return Parameter(str(value["name"]), place, value.get("required") is True or place == "path",
                         self._simple(value, at), f"#{at.pointer}", query_style, style == "multi")  # fmt: skip

    def _simple(self, value: dict[str, Any], at: Location) -> Schema | None:
        """The schema of a non-body parameter or a header, whose keywords are in the object itself."""
        return self.schema({key: value[key] for key in _SIMPLE if key in value}, at, "request")

    def _body(self, raw: list[tuple[dict[str, Any], Location]], consumes: list[str], at: Location) -> Body | None:
        for value, place in raw:
            if value.get("in") == "body":
                schema = self.schema(value.get("schema"), place.down("schema"), "request")
                media = tuple(Media(name, schema, f"#{place.pointer}") for name in consumes or ["application/json"])
                return Body(value.get("required") is True, media, f"#{place.pointer}")
        fields = [(value, place) for value, place in raw if value.get("in") == "formData"]
        if not fields:
            return None
        required = [value["name"] for value, _ in fields if value.get("required") is True]
        properties = {value["name"]: {k: value[k] for k in _SIMPLE if k in value} for value, _ in fields}
        form = {"type": "object", "properties": properties, **({"required": required} if required else {})}
        schema = self.schema(form, at.down("parameters"), "request")
        names = [name for name in consumes if name in _FORMS] or [_FORMS[0]]
        pointer = f"#{at.down('parameters').pointer}"
        return Body(bool(required), tuple(Media(name, schema, pointer) for name in names), pointer)

    def _answers(self, operation: dict[str, Any], at: Location) -> tuple[ResponseContract, ...]:
        produces = self._media_types(operation, "produces") or ["application/json"]
        found = []
        for status, value, place in self.responses(operation, at):
            schema = self.schema(value.get("schema"), place.down("schema"), "response")
            media = tuple(Media(name, schema, f"#{place.pointer}") for name in produces) if schema else ()
            headers = tuple(
                Header(name, False, self._simple(self.mapping(item, place), place.down("headers", name)),
                       f"#{place.down('headers', name).pointer}")
                for name, item in self.mapping(value.get("headers"), place.down("headers")).items()
            )  # fmt: skip
            found.append(ResponseContract(status, media, headers, f"#{place.pointer}"))
        return tuple(found)

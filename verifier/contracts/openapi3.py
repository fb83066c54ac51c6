"""OpenAPI 3.0 and 3.1 documents as contracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from verifier.contracts.document import Documents, Location
from verifier.contracts.model import (
    Body,
    Contract,
    ContractOperation,
    Header,
    Media,
    MessageContract,
    Parameter,
    ResponseContract,
    SecurityScheme,
)
from verifier.contracts.parts import METHODS, HttpParts, plain_media
from verifier.contracts.schema import Direction

_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


def read(documents: Documents) -> Contract:
    """The contract of an OpenAPI 3 document. Raises BadInput with the place of the problem."""
    return _Reader(documents).contract()


class _Reader(HttpParts):
    def __init__(self, documents: Documents) -> None:
        super().__init__(documents, old_dialect=str(documents.root["openapi"]).startswith("3.0"))

    def contract(self) -> Contract:
        info, components = self.info(), self.mapping(self.root.get("components"), self.top.down("components"))
        return Contract(
            title=str(info.get("title", "")),
            version=str(info.get("version", "")),
            file=str(self.documents.file),
            dialect="openapi",
            operations=tuple(self._operation(*found) for found in self.methods()),
            messages=tuple(self._events()),
            schemes=self._schemes(components),
            bases=self._bases(),
            guarantees=self.guarantees(self.root, self.top),
        )

    def _events(self) -> Iterator[MessageContract]:
        """Webhooks and callbacks. The service sends these requests, so they are events for their receivers."""
        at = self.top.down("webhooks")
        for name, raw in self.mapping(self.root.get("webhooks"), at).items():
            yield from self._sent(f"webhook {name}", raw, at.down(name))
        paths = self.top.down("paths")
        for path, raw in self.mapping(self.root.get("paths"), paths).items():
            item, place = self.whole(raw, paths.down(path))
            for method in METHODS:
                operation = self.mapping(item.get(method), place.down(method))
                spot = place.down(method, "callbacks")
                for name, callback in self.mapping(operation.get("callbacks"), spot).items():
                    urls, where = self.whole(callback, spot.down(name))
                    for url, below in urls.items():
                        yield from self._sent(f"callback {method.upper()} {path} {name}", below, where.down(url))

    def _sent(self, channel: str, raw: Any, at: Location) -> Iterator[MessageContract]:
        item, at = self.whole(raw, at)
        for method in METHODS:
            operation = self.mapping(item.get(method), at.down(method))
            if "requestBody" not in operation:
                continue
            body, place = self.whole(operation["requestBody"], at.down(method, "requestBody"))
            for media in self._media(body, place, "response"):
                name = method.upper()
                yield MessageContract(
                    f"{channel} {name}", channel, name, True, media.schema, None, media.pointer, media.type
                )

    def _bases(self) -> tuple[str, ...]:
        at = self.top.down("servers")
        paths = set()
        for index, item in enumerate(self.items(self.root.get("servers"), at)):
            server = self.mapping(item, at.down(index))
            url = str(server.get("url", "/"))
            for name, variable in self.mapping(server.get("variables"), at.down(index, "variables")).items():
                default = self.mapping(variable, at.down(index, "variables", name)).get("default", "")
                url = url.replace("{" + name + "}", str(default))
            paths.add(urlsplit(url).path.rstrip("/"))
        return tuple(sorted(paths, key=lambda path: (-len(path), path)))

    def _schemes(self, components: dict[str, Any]) -> tuple[SecurityScheme, ...]:
        at = self.top.down("components", "securitySchemes")
        found = []
        for name, value in sorted(self.mapping(components.get("securitySchemes"), at).items()):
            scheme, _ = self.whole(value, at.down(name))
            kind = str(scheme.get("type", ""))
            if kind == "apiKey":
                kind += f" {scheme.get('in', '')} {scheme.get('name', '')}"
            elif kind == "http":
                kind += f" {str(scheme.get('scheme', '')).lower()}"
            found.append(SecurityScheme(name, kind))
        return tuple(found)

    def _operation(self, path: str, method: str, item: dict[str, Any], item_at: Location) -> ContractOperation:
        at = item_at.down(method)
        value = self.mapping(item[method], at)
        parameters: dict[tuple[str, str], Parameter] = {}
        for raw, place in self.parameters((item, item_at), (value, at)):
            parameter = self._parameter(raw, place)
            if parameter is not None:
                parameters[parameter.name, parameter.place] = parameter
        security = value.get("security", self.root.get("security"))
        return ContractOperation(
            id=str(value.get("operationId") or f"{method.upper()} {path}"),
            method=method.upper(),
            path=path,
            parameters=tuple(parameters.values()),
            body=self._body(value.get("requestBody"), at.down("requestBody")),
            answers=self._answers(value, at.down("responses")),
            security=self.requirements(security, at.down("security")),
            pointer=f"#{at.pointer}",
            guarantees=self.guarantees(value, at),
            deprecated=value.get("deprecated") is True,
        )

    def _parameter(self, value: dict[str, Any], at: Location) -> Parameter | None:
        name, place = str(value.get("name", "")), value.get("in")
        if place not in ("path", "query", "header", "cookie") or not name:
            raise self.documents.bad(at, "a parameter needs a name, and `in` as path, query, header or cookie")
        if place == "header" and name.lower() in ("accept", "content-type", "authorization"):
            return None  # OpenAPI 3 ignores such definitions in favour of media types and security
        media, schema, schema_at = self._content(value, at)
        style = str(value.get("style", _STYLES[place]))
        return Parameter(
            name=name,
            place=place,
            required=value.get("required") is True or place == "path",
            schema=self.schema(schema, schema_at, "request"),
            pointer=f"#{at.pointer}",
            style=style,
            explode=bool(value.get("explode", style == "form")),
            media=media,
        )

    def _content(self, value: dict[str, Any], at: Location) -> tuple[str, Any, Location]:
        """Media type, schema and place of a parameter or header, from the only entry of `content` or `schema`."""
        content = self.mapping(value.get("content"), at.down("content"))
        for name, item in content.items():
            inner = self.mapping(item, at.down("content", name))
            return plain_media(name), inner.get("schema"), at.down("content", name, "schema")
        return "", value.get("schema"), at.down("schema")

    def _body(self, raw: Any, at: Location) -> Body | None:
        if raw is None:
            return None
        value, at = self.whole(raw, at)
        return Body(value.get("required") is True, self._media(value, at, "request"), f"#{at.pointer}")

    def _media(self, value: dict[str, Any], at: Location, direction: Direction) -> tuple[Media, ...]:
        found: dict[str, Media] = {}
        for name, raw in self.mapping(value.get("content"), at.down("content")).items():
            item, place = self.whole(raw, at.down("content", name))
            schema = self.schema(item.get("schema"), place.down("schema"), direction)
            found.setdefault(plain_media(name), Media(plain_media(name), schema, f"#{place.pointer}"))
        return tuple(found.values())

    def _answers(self, operation: dict[str, Any], at: Location) -> tuple[ResponseContract, ...]:
        found = []
        for status, value, place in self.responses(operation, at):
            headers = tuple(
                self._header(name, item, place.down("headers", name))
                for name, item in self.mapping(value.get("headers"), place.down("headers")).items()
                if name.lower() != "content-type"
            )
            found.append(ResponseContract(status.upper() if status != "default" else status,
                                self._media(value, place, "response"), headers, f"#{place.pointer}"))  # fmt: skip
        return tuple(found)

    def _header(self, name: str, raw: Any, at: Location) -> Header:
        value, at = self.whole(raw, at)
        media, schema, schema_at = self._content(value, at)
        required = value.get("required") is True
        return Header(name, required, self.schema(schema, schema_at, "response"), f"#{at.pointer}", media)

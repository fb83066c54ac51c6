"""A contract as plain values, whatever its format: operations, messages and stored documents.

Every schema is a self-contained JSON Schema 2020-12 document (`$ref` only into its own `$defs`) for one direction: a
request schema requires no `readOnly` property, a response schema no `writeOnly` property. Features of other dialects,
such as `nullable`, boolean `exclusiveMinimum` and `int32`, have been converted to ordinary keywords.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from verifier.contracts.routes import Routes
from verifier.located import Located

Dialect = Literal["openapi", "swagger", "asyncapi", "jsonschema"]
Place = Literal["path", "query", "header", "cookie"]


@dataclass(frozen=True, slots=True)
class Schema:
    """`document` is JSON Schema 2020-12; `pointer` is where the contract's file declares it.

    `places` are pointers to what its definitions were made of, by name. A name means the same in a whole contract.
    """

    document: dict[str, Any] | bool
    pointer: str
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Media:
    """One media type of a body, without parameters and in lower case (`application/json`, `text/*`)."""

    type: str
    schema: Schema | None
    pointer: str

    @property
    def is_json(self) -> bool:
        return is_json(self.type)


def is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json") or media_type == "text/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`style` and `explode` as in OpenAPI 3. `media` is set if the value is a serialised document instead."""

    name: str
    place: Place
    required: bool
    schema: Schema | None
    pointer: str
    style: str = "simple"
    explode: bool = False
    media: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    required: bool
    media: tuple[Media, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    required: bool
    schema: Schema | None
    pointer: str
    media: str = ""


@dataclass(frozen=True, slots=True)
class ResponseContract:
    """`status` is "200", a range such as "2XX", or "default". Without media, the body is unspecified."""

    status: str
    media: tuple[Media, ...]
    headers: tuple[Header, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """Schemes (with scopes) that are needed together. Without schemes, everyone has access."""

    schemes: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class ContractOperation:
    """`id` is the operationId, else "METHOD /template". `security` lists alternatives; () if none is declared."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    answers: tuple[ResponseContract, ...]
    security: tuple[Requirement, ...]
    pointer: str
    guarantees: Located | None = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class MessageContract:
    """An event on `channel`. `sent`: the owner of the contract writes it; otherwise it reads it."""

    id: str
    channel: str
    name: str
    sent: bool
    payload: Schema | None
    headers: Schema | None
    pointer: str
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A bare JSON Schema: what one version writes to a store, another reads."""

    id: str
    schema: Schema
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """`kind` is what a client must use, such as "http bearer" or "apiKey header X-Key"."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of one service version. `bases` are the path prefixes of its servers, longest first."""

    title: str
    version: str
    file: str
    dialect: Dialect
    operations: tuple[ContractOperation, ...] = ()
    messages: tuple[MessageContract, ...] = ()
    documents: tuple[StoredDocument, ...] = ()
    schemes: tuple[SecurityScheme, ...] = ()
    bases: tuple[str, ...] = ()
    guarantees: Located | None = None
    _routes: Routes[ContractOperation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        routes = Routes(((item.method, item.path, item) for item in self.operations), self.bases)
        object.__setattr__(self, "_routes", routes)

    def match(self, method: str, path: str) -> ContractOperation | None:
        """The operation that a request addresses. `path` is as on the wire; a query in it is ignored.

        Static segments take precedence over templated ones. A path may omit the base path of the server, because the
        verifier often calls a service behind the proxy that adds it. HEAD falls back to GET.
        """
        return self._routes.match(method, path)

    def operation(self, name: str) -> ContractOperation | None:
        return next((item for item in self.operations if item.id == name), None)


def answer_for(answers: Iterable[ResponseContract], status: int) -> ResponseContract | None:
    """The answer that declares a status: the code itself, else its range, else `default`."""
    declared = {item.status: item for item in answers}
    return declared.get(str(status)) or declared.get(f"{status // 100}XX") or declared.get("default")

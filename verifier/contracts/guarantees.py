"""Declared guarantees: `guarantees.yaml` beside the OpenAPI documents, or `x-guarantees` inside them.

A file contains the promises of one service by operation id. verifier/README.md shows all keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from verifier.contracts.completion import Completes, completion, expression
from verifier.contracts.expressions import Expression
from verifier.located import Located, Reader, load

T = TypeVar("T")

TIMES = ("exactly-once", "at-least-once", "at-most-once")
FRESHNESS = ("strong", "read-your-writes", "monotonic", "bounded", "eventual")


@dataclass(frozen=True, slots=True)
class Idempotent:
    """One key has one effect. `same` are values that must be equal in all responses to one key."""

    key: Expression
    same: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect at a partner, counted per `key` of the partner's request; `match` is the same value here."""

    partner: str
    operation: str
    key: Expression
    match: Expression
    times: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """How recent a read must be. `resource` names what is read; `within` (seconds) is the bound of class bounded."""

    kind: str
    resource: Expression
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class OperationGuarantees:
    """All promises of one operation. `line` is the place of its declaration."""

    operation: str
    line: int
    idempotent: Idempotent | None = None
    completes: Completes | None = None
    effects: tuple[Effect, ...] = ()
    freshness: Freshness | None = None
    writes: tuple[Expression, ...] = ()
    recovers: float | None = None  # seconds in which work ends whose doer was killed, from when it is replaced
    further: tuple[tuple[str, Any], ...] = ()  # values of other declarations, by key


@dataclass(frozen=True, slots=True)
class Declaration(Generic[T]):
    """A further key of an operation in `guarantees.yaml`, besides the fields of `OperationGuarantees`.

    `parse` reads the value of `key`. It reports problems to the reader, and returns None if the value is unusable.
    """

    key: str
    parse: Callable[[Reader, Located], T | None]

    def of(self, promised: OperationGuarantees | None) -> T | None:
        """The declaration of an operation under this key, or None."""
        found: T | None = dict(promised.further).get(self.key) if promised is not None else None
        return found


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a consumer assumes about `provider.operation`: names of guarantees with the assumed values."""

    provider: str
    operation: str
    assumed: tuple[tuple[str, str], ...]
    file: str
    line: int
    text: str  # as written, for the report


@dataclass(frozen=True, slots=True)
class Guarantees:
    """The promises and assumptions of one service."""

    service: str
    file: str
    operations: tuple[OperationGuarantees, ...] = ()
    assumes: tuple[Assumption, ...] = ()

    def of(self, operation: str) -> OperationGuarantees | None:
        return next((item for item in self.operations if item.operation == operation), None)


def read(file: Path, declarations: Sequence[Declaration[Any]] = ()) -> Guarantees:
    """Read a guarantees file. A key that is neither known here nor one of the `declarations` is a problem.

    Raises BadInput with every problem in the file.
    """
    reader = Reader()
    root = load(file)
    found = _guarantees(reader, root, str(file), declarations)
    reader.finish()
    return found


def _guarantees(reader: Reader, root: Located, file: str, declarations: Sequence[Declaration[Any]]) -> Guarantees:
    items = reader.mapping(root, ("service", "operations", "assumes"))
    if "service" not in items:
        reader.problem(root, "must name its service")
    operations = tuple(
        _operation_guarantees(reader, name, item, declarations)
        for name, item in reader.mapping(items.get("operations")).items()
    )
    assumes = tuple(_assumption(reader, name, item) for name, item in reader.mapping(items.get("assumes")).items())
    return Guarantees(reader.text(items.get("service")), file, operations, assumes)


def _operation_guarantees(
    reader: Reader, name: str, at: Located, declarations: Sequence[Declaration[Any]]
) -> OperationGuarantees:
    known = ("idempotent", "completes", "effects", "freshness", "writes", "recovers")
    items = reader.mapping(at, (*known, *(declaration.key for declaration in declarations)))
    return OperationGuarantees(
        operation=name,
        line=at.line,
        idempotent=_idempotent(reader, items["idempotent"]) if "idempotent" in items else None,
        completes=completion(reader, items["completes"]) if "completes" in items else None,
        effects=tuple(found for item in reader.items(items.get("effects")) if (found := _effect(reader, item))),
        freshness=_freshness(reader, items["freshness"]) if "freshness" in items else None,
        writes=_writes(reader, items.get("writes")),
        recovers=_recovers(reader, items["recovers"]) if "recovers" in items else None,
        further=tuple(
            (declaration.key, found)
            for declaration in declarations
            if declaration.key in items and (found := declaration.parse(reader, items[declaration.key])) is not None
        ),
    )


def _writes(reader: Reader, at: Located | None) -> tuple[Expression, ...]:
    """One expression or a list. A write may change a resource and the lists that contain it."""
    several = at.value if at is not None and isinstance(at.value, list) else [at]
    return tuple(found for item in several if (found := expression(reader, item)))


def _recovers(reader: Reader, at: Located) -> float | None:
    items = reader.mapping(at, ("within",))
    if "within" not in items:
        reader.problem(at, "needs 'within', the time in which work ends after who did it was killed and replaced")
    return reader.seconds(items.get("within"), 0.0) or None


def _idempotent(reader: Reader, at: Located) -> Idempotent | None:
    items = reader.mapping(at, ("key", "same"))
    key = expression(reader, items.get("key"), at, "key")
    same = tuple(found for item in reader.items(items.get("same")) if (found := expression(reader, item)))
    return Idempotent(key, same) if key else None


def _effect(reader: Reader, at: Located) -> Effect | None:
    items = reader.mapping(at, ("partner", "operation", "key", "match", "times"))
    key = expression(reader, items.get("key"), at, "key")
    match = expression(reader, items["match"]) if "match" in items else key
    for name in ("partner", "operation"):
        if name not in items:
            reader.problem(at, f"needs {name!r}")
    times = reader.choice(items.get("times"), TIMES, "exactly-once")
    if key is None or match is None:
        return None
    return Effect(reader.text(items.get("partner")), reader.text(items.get("operation")), key, match, times)


def _freshness(reader: Reader, at: Located) -> Freshness | None:
    items = reader.mapping(at, ("class", "resource", "within"))
    if "class" not in items:
        reader.problem(at, f"needs 'class', one of {', '.join(FRESHNESS)}")
    kind = reader.choice(items.get("class"), FRESHNESS, "eventual")
    resource = expression(reader, items.get("resource"), at, "resource")
    if kind == "bounded" and "within" not in items:
        reader.problem(at, "class bounded needs 'within', the longest staleness")
    return Freshness(kind, resource, reader.seconds(items.get("within"), 0.0)) if resource else None


def _assumption(reader: Reader, name: str, at: Located) -> Assumption:
    provider, dot, operation = name.partition(".")
    if not dot or not operation:
        reader.problem(at, f"{name!r} must be SERVICE.OPERATION")
    assumed = reader.pairs(at)
    text = ", ".join(f"{key}: {value}" for key, value in assumed)
    return Assumption(provider, operation, assumed, at.file, at.line, f"{name}: {{{text}}}")

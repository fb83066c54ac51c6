"""Declared guarantees: `guarantees.yaml` beside the OpenAPI documents, or `x-guarantees` inside them.

A file contains the promises of one service by operation id. verifier/README.md shows all keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from verifier.contracts.expressions import Address, Expression, as_text, body_json, parse, parse_address
from verifier.http.message import Request, Response
from verifier.located import Located, Reader, load
from verifier.pointers import value_at

T = TypeVar("T")

PRESENT, WHOLE = "present", "$response.body"  # the state of an entry that is there, where no state is declared
TIMES = ("exactly-once", "at-least-once", "at-most-once")
FRESHNESS = ("strong", "read-your-writes", "monotonic", "bounded", "eventual")


@dataclass(frozen=True, slots=True)
class Idempotent:
    """One key has one effect. `same` are values that must be equal in all responses to one key."""

    key: Expression
    same: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Completes:
    """Accepted work reaches a final state within `within` seconds. `done`: final states that mean success.

    `poll` is the address that tells how far the work is. Where it answers with a list, `entry` names the work's own
    entry in it: a field, and the value that it has there. Then `state` points into that entry; without a `state`, the
    work is done once its entry is there.
    """

    accepted: int
    poll: Address
    state: Expression
    transitions: tuple[tuple[str, tuple[str, ...]], ...]
    final: tuple[str, ...]
    done: tuple[str, ...]
    within: float
    entry: tuple[str, Expression] | None = None

    def shown(self, accepted: tuple[Request, Response | None], read: tuple[Request, Response | None]) -> str | None:
        """The state that a read shows of the work that another exchange accepted; None where it shows none."""
        if self.entry is None:
            return self.state.value(*read)
        name, expression = self.entry
        wanted = expression.value(*accepted)
        if wanted is None or read[1] is None:
            return None
        found = _entry(body_json(read[1].body), name, wanted)
        if found is None:
            return None
        return PRESENT if self.state.text == WHOLE else as_text(value_at(found, self.state.name))


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
    known = ("idempotent", "completes", "effects", "freshness", "writes")
    items = reader.mapping(at, (*known, *(declaration.key for declaration in declarations)))
    return OperationGuarantees(
        operation=name,
        line=at.line,
        idempotent=_idempotent(reader, items["idempotent"]) if "idempotent" in items else None,
        completes=_completes(reader, items["completes"]) if "completes" in items else None,
        effects=tuple(found for item in reader.items(items.get("effects")) if (found := _effect(reader, item))),
        freshness=_freshness(reader, items["freshness"]) if "freshness" in items else None,
        writes=_writes(reader, items.get("writes")),
        further=tuple(
            (declaration.key, found)
            for declaration in declarations
            if declaration.key in items and (found := declaration.parse(reader, items[declaration.key])) is not None
        ),
    )


def expression(reader: Reader, at: Located | None, owner: Located | None = None, key: str = "") -> Expression | None:
    """The runtime expression at a place. If it is missing, `owner` gets the problem that it needs `key`."""
    if at is None:
        if owner is not None:
            reader.problem(owner, f"needs {key!r}, a runtime expression")
        return None
    try:
        return parse(reader.text(at))
    except ValueError as error:
        reader.problem(at, str(error))
        return None


def _writes(reader: Reader, at: Located | None) -> tuple[Expression, ...]:
    """One expression or a list. A write may change a resource and the lists that contain it."""
    several = at.value if at is not None and isinstance(at.value, list) else [at]
    return tuple(found for item in several if (found := expression(reader, item)))


def _idempotent(reader: Reader, at: Located) -> Idempotent | None:
    items = reader.mapping(at, ("key", "same"))
    key = expression(reader, items.get("key"), at, "key")
    same = tuple(found for item in reader.items(items.get("same")) if (found := expression(reader, item)))
    return Idempotent(key, same) if key else None


def _completes(reader: Reader, at: Located) -> Completes | None:
    items = reader.mapping(at, ("accepted", "poll", "entry", "state", "transitions", "final", "done", "within"))
    poll = _address(reader, items.get("poll"), at)
    entry = _own_entry(reader, items["entry"]) if "entry" in items else None
    present = "entry" in items and "state" not in items
    state = parse(WHOLE) if present else expression(reader, items.get("state"), at, "state")
    transitions = tuple((name, reader.texts(item)) for name, item in reader.mapping(items.get("transitions")).items())
    final = reader.texts(items.get("final")) or ((PRESENT,) if present else ())
    if not final:
        reader.problem(at, "needs 'final', the states in which work ends")
    done = reader.texts(items.get("done")) or final[:1]
    for state_name in done:
        if state_name not in final:
            reader.problem(items.get("done", at), f"{state_name!r} is not among the final states")
    _check_transitions(reader, items, transitions, final)
    accepted = reader.whole(items.get("accepted"), 202, 100, 599)
    within = reader.seconds(items.get("within"), 10.0)
    if poll is None or state is None:
        return None
    return Completes(accepted, poll, state, transitions, final, done, within, entry)


def _address(reader: Reader, at: Located | None, parent: Located) -> Address | None:
    if at is None:
        reader.problem(parent, "needs 'poll'")
        return None
    try:
        return parse_address(reader.text(at))
    except ValueError as error:
        reader.problem(at, str(error))
        return None


def _own_entry(reader: Reader, at: Located) -> tuple[str, Expression] | None:
    """`{FIELD: EXPRESSION}`: the entry of a list whose field has the value."""
    fields = [(name, expression(reader, item)) for name, item in reader.mapping(at).items()]
    if len(fields) != 1:
        reader.problem(at, "names one field of the entry, and the value that it has there")
    return next(((name, found) for name, found in fields if found is not None), None)


def _entry(body: Any, name: str, wanted: str) -> dict[str, Any] | None:
    """The first object in a document whose field has the value."""
    if isinstance(body, dict):
        if as_text(body.get(name)) == wanted:
            return body
        body = list(body.values())
    if not isinstance(body, list):
        return None
    return next((found for item in body if (found := _entry(item, name, wanted)) is not None), None)


def _check_transitions(
    reader: Reader,
    items: dict[str, Located],
    transitions: tuple[tuple[str, tuple[str, ...]], ...],
    final: Sequence[str],
) -> None:
    """Every state that is not final needs a following state. Otherwise its name is probably misspelled."""
    known = {name for name, following in transitions if following} | set(final)
    for name, following in transitions:
        if name in final and following:
            reader.problem(items["transitions"], f"{name!r} is final and cannot go on to {', '.join(following)}")
        for other in following:
            if other not in known:
                reader.problem(items["transitions"], f"{other!r} is not final, and nothing follows it")


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

"""Seams: what a consumer assumes about a provider, compared with what the provider promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from verifier.contracts.guarantees import Assumption, Guarantees, OperationGuarantees
from verifier.located import parse_seconds

# Which assumptions each promise satisfies. Read-your-writes and monotonic reads are
# incomparable (Terry et al., Session Guarantees for Weakly Consistent Replicated Data, 1994).
_FRESHNESS: Final = {
    "strong": {"strong", "read-your-writes", "monotonic", "bounded", "eventual"},
    "read-your-writes": {"read-your-writes", "eventual"},
    "monotonic": {"monotonic", "eventual"},
    "bounded": {"bounded", "eventual"},
    "eventual": {"eventual"},
}
_TIMES: Final = {
    "exactly-once": {"exactly-once", "at-least-once", "at-most-once"},
    "at-least-once": {"at-least-once"},
    "at-most-once": {"at-most-once"},
}


@dataclass(frozen=True, slots=True)
class Party:
    """One version of a service with what it promises and assumes."""

    service: str
    version: str
    guarantees: Guarantees


@dataclass(frozen=True, slots=True)
class Line:
    """A declaration with its place, to be quoted. `line` is 0 if there is no declaration."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(frozen=True, slots=True)
class Seam:
    """A broken seam: an assumption that is stronger than the guarantee it relies on."""

    consumer: str
    consumer_version: str
    provider: str
    provider_version: str
    operation: str
    guarantee: str
    assumed: Line
    promised: Line
    message: str


def seams(parties: Iterable[Party]) -> tuple[Seam, ...]:
    """Every broken seam, for each version of each consumer with each version of each provider.

    A provider that is not among the parties is ignored, because its promises are unknown.
    """
    everyone = tuple(parties)
    return tuple(
        found
        for consumer in everyone
        for provider in everyone
        if provider.service != consumer.service
        for found in between(consumer, provider)
    )


def between(consumer: Party, provider: Party) -> Iterator[Seam]:
    """The broken seams between one version of a consumer and one version of a provider."""
    for assumption in consumer.guarantees.assumes:
        if assumption.provider != provider.service:
            continue
        promise = provider.guarantees.of(assumption.operation)
        for name, value in assumption.assumed:
            if value == "false" or (name == "within" and "freshness" in dict(assumption.assumed)):
                continue
            short, said = _short(name, value, assumption, promise)
            if short:
                yield _seam(consumer, provider, assumption, name, promise, short, said)


def _seam(
    consumer: Party,
    provider: Party,
    assumption: Assumption,
    name: str,
    promise: OperationGuarantees | None,
    short: str,
    said: str,
) -> Seam:
    line = promise.line if promise else 0
    promised = Line(provider.guarantees.file, line, f"{assumption.operation}: {said}")
    assumed = Line(assumption.file, assumption.line, assumption.text)
    message = (
        f"{consumer.service} {consumer.version} assumes of {provider.service}.{assumption.operation} {short}, "
        f"{provider.service} {provider.version} promises {said}"
    )
    return Seam(consumer.service, consumer.version, provider.service, provider.version, assumption.operation,
                name, assumed, promised, message)  # fmt: skip


def _short(name: str, value: str, assumption: Assumption, promise: OperationGuarantees | None) -> tuple[str, str]:
    """What is assumed but not promised ("" if it is promised), and what is promised instead."""
    judge = _JUDGES.get(name)
    if judge is None and value == "true" and promise is not None and name in dict(promise.further):
        return "", ""  # other keys of an assumption are not compared
    if judge is None:
        return f"{name}: {value}", "no such guarantee"
    if promise is None:
        return f"{name}: {value}", "nothing for this operation"
    return judge(value, assumption, promise)


def _idempotent(value: str, assumption: Assumption, promise: OperationGuarantees) -> tuple[str, str]:
    return ("", "") if promise.idempotent else (f"idempotent: {value}", "no idempotency")


def _completes(value: str, assumption: Assumption, promise: OperationGuarantees) -> tuple[str, str]:
    """Compare `completes: true`, or the longest time for accepted work."""
    if promise.completes is None:
        return f"completes: {value}", "no completion"
    wanted = parse_seconds(value)
    if value == "true" or (wanted is not None and promise.completes.within <= wanted):
        return "", ""
    return f"completes: {value}", f"completion within {promise.completes.within:g} s"


def _fresh(value: str, assumption: Assumption, promise: OperationGuarantees) -> tuple[str, str]:
    if promise.freshness is None:
        return f"freshness: {value}", "no freshness"
    kind = promise.freshness.kind
    said = f"freshness {kind}" + (f" within {promise.freshness.within:g} s" if kind == "bounded" else "")
    if value not in _FRESHNESS.get(kind, ()):
        return f"freshness: {value}", said
    wanted = parse_seconds(dict(assumption.assumed).get("within", ""))
    if value == "bounded" and kind == "bounded" and wanted is not None and promise.freshness.within > wanted:
        return f"freshness: bounded within {wanted:g} s", said
    return "", ""


def _effects(value: str, assumption: Assumption, promise: OperationGuarantees) -> tuple[str, str]:
    if not promise.effects:
        return f"effects: {value}", "no effects"
    weak = [item for item in promise.effects if value not in _TIMES[item.times]]
    if not weak:
        return "", ""
    return f"effects: {value}", ", ".join(f"{item.partner}.{item.operation} {item.times}" for item in weak)


_JUDGES: Final[dict[str, Callable[[str, Assumption, OperationGuarantees], tuple[str, str]]]] = {
    "idempotent": _idempotent,
    "completes": _completes,
    "freshness": _fresh,
    "effects": _effects,
}

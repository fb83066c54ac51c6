"""The rows of a run's tables, as values that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from verifier.history.model import End, FaultInjected, History, Operation, Step

Row = dict[str, Any]
OF_END = ("operation", "step", "service", "name", "version", "how", "shown", "wanted", "waited", "bound", "reads",
          "late", "at")  # fmt: skip
OF_FAULT = ("step", "replay", "kind", "operation", "name", "first", "second", "at")
OF_STEP = ("id", "path", "phase", "kind", "description", "started", "ended", "error", "confirms")
OF_OPERATION = ("id", "step", "replay", "session", "attempt", "source", "name", "service", "version", "replica",
                "caller", "caller_version", "outcome", "started", "ended", "error", "fault", "parent")  # fmt: skip
Tables = dict[str, Iterable[Row]]


def tables(history: History, pair: str = "", verdicts: Mapping[str, str] | None = None) -> Tables:
    """The rows of every table but `violations`. `verdicts` are those of the steps, where they are known."""
    return {
        "operations": (_operation(entry, pair) for entry in history.operations),
        "effects": (_effect(entry, pair) for entry in history.operations if entry.source == "partner"),
        "ends": (_taken(entry, OF_END, pair) for entry in history.ends),
        "steps": (_step(entry, at, pair, verdicts or {}) for at, entry in enumerate(history.steps)),
        "mixtures": (row for entry in history.steps for row in _mixture(entry, pair)),
        "faults": (_taken(entry, OF_FAULT, pair) for entry in history.faults),
    }


def violations(found: Iterable[Any], pair: str = "") -> Iterator[Row]:
    """The rows of `violations`, of values with the attributes of a `Violation`."""
    for entry in found:
        row = {name: value for name, value in asdict(entry).items() if name not in ("workers", "passing")}
        yield {**row, "pair": pair, "fails": entry.fails}


def _taken(entry: Operation | End | FaultInjected | Step, names: tuple[str, ...], pair: str) -> Row:
    return {"pair": pair, **{name: getattr(entry, name) for name in names}}


def _operation(entry: Operation, pair: str) -> Row:
    response = entry.response
    return {
        **_taken(entry, OF_OPERATION, pair),
        "exchange": entry.index,
        "method": entry.request.method,
        "target": entry.request.target,
        "request_headers": _json(entry.request.headers),
        "request_body": _text(entry.request.body),
        "status": None if response is None else response.status,
        "response_headers": None if response is None else _json(response.headers),
        "response_body": None if response is None else _text(response.body),
    }


def _effect(entry: Operation, pair: str) -> Row:
    return {
        "id": entry.id, "pair": pair, "step": entry.step, "partner": entry.service, "name": entry.name,
        "caller": entry.caller, "caller_version": entry.caller_version, "effect": entry.effect,
        "request_body": _text(entry.request.body), "at": entry.started, "parent": entry.parent,
    }  # fmt: skip


def _step(entry: Step, position: int, pair: str, verdicts: Mapping[str, str]) -> Row:
    known = {"position": position, "migrations": list(entry.migrations), "verdict": verdicts.get(entry.id)}
    return {**_taken(entry, OF_STEP, pair), **known}


def _mixture(entry: Step, pair: str) -> Iterator[Row]:
    for replicas in entry.state:
        yield {"step": entry.id, "pair": pair, "service": replicas.service, "version": replicas.version,
               "replicas": replicas.count}  # fmt: skip


def _json(headers: Any) -> str:
    return msgspec.json.encode(headers).decode()


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")

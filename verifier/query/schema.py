"""The tables that a query sees, with their columns. They are part of the interface: columns may be added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def create(self) -> str:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f'CREATE TABLE "{self.name}" ({columns})'


def _table(name: str, meaning: str, /, **columns: str) -> Table:
    """Each column as `name="TYPE what it means"`."""
    told = ((column, *text.partition(" ")[::2]) for column, text in columns.items())
    return Table(name, meaning, tuple(Column(column, kind, about) for column, kind, about in told))


TABLES: tuple[Table, ...] = (
    _table(
        "operations", "every request that was sent in the run, with what came back",
        id="VARCHAR its name in the history", pair="VARCHAR the pair of versions, in a run of several; else empty",
        step="VARCHAR step in which it was sent", replay="VARCHAR replay that it belongs to",
        session="VARCHAR recorded session", exchange="INTEGER position in the session; -1 for calls of services",
        attempt="INTEGER 1 for the first; retries and duplicates count up",
        source="VARCHAR replay, poll, live, sweep, inner, partner or proof",
        name="VARCHAR operation of the contract, or METHOD and path", service="VARCHAR who was asked",
        version="VARCHAR its version that served", replica="VARCHAR its replica that served",
        caller="VARCHAR service that asked; empty for clients", caller_version="VARCHAR its version",
        method="VARCHAR of the request", target="VARCHAR path and query of the request",
        request_headers="VARCHAR as a JSON list of pairs", request_body="VARCHAR as text",
        status="INTEGER of the response; NULL without one", response_headers="VARCHAR as a JSON list of pairs",
        response_body="VARCHAR as text; NULL without a response",
        outcome="VARCHAR what the sender can conclude: ok, accepted, fail or info",
        started="DOUBLE seconds since the run began", ended="DOUBLE seconds since the run began",
        error="VARCHAR such as timeout; empty if a response arrived", fault="VARCHAR fault that it is part of",
        parent="VARCHAR operation that it repeats, polls or follows from",
    ),
    _table(
        "effects", "calls to partners, which the outside world can count",
        id="VARCHAR of the operation", pair="VARCHAR as in operations", step="VARCHAR step of the call",
        partner="VARCHAR who was called", name="VARCHAR operation", caller="VARCHAR service that called",
        caller_version="VARCHAR its version", effect="VARCHAR applied or suppressed", request_body="VARCHAR as text",
        at="DOUBLE seconds since the run began", parent="VARCHAR operation that caused it",
    ),
    _table(
        "ends", "how accepted work ended",
        operation="VARCHAR operation that accepted it", pair="VARCHAR as in operations",
        step="VARCHAR step in which this was seen", service="VARCHAR who accepted it", name="VARCHAR operation",
        version="VARCHAR that accepted it", how="VARCHAR ended, open or unreadable", shown="VARCHAR what was read last",
        wanted="VARCHAR what the client waited for", waited="DOUBLE seconds", bound="DOUBLE most seconds to wait",
        reads="INTEGER how often it was read", late="BOOLEAN read again after its step had stopped waiting",
        at="DOUBLE seconds since the run began",
    ),
    _table(
        "steps", "the steps that were carried out, in order",
        id="VARCHAR", pair="VARCHAR as in operations", path="VARCHAR", position="INTEGER in the history",
        phase="VARCHAR control-old, control-new, control-upgrade, forward or rollback",
        kind="VARCHAR start, migrate, restart, replace, roll back, go forward, finalize or upgrade",
        description="VARCHAR", migrations="VARCHAR[] that had been applied",
        started="DOUBLE seconds since the run began",
        ended="DOUBLE seconds since the run began", error="VARCHAR why it could not be completed",
        confirms="BOOLEAN it tried again what had been found", verdict="VARCHAR pass, fail or unknown",
    ),
    _table(
        "mixtures", "which versions ran side by side after a step",
        step="VARCHAR", pair="VARCHAR as in operations", service="VARCHAR", version="VARCHAR", replicas="INTEGER",
    ),
    _table(
        "faults", "every fault that was injected",
        step="VARCHAR", pair="VARCHAR as in operations", replay="VARCHAR", kind="VARCHAR", operation="VARCHAR",
        name="VARCHAR of the operation", first="VARCHAR version of the first attempt",
        second="VARCHAR version of the second attempt", at="DOUBLE seconds since the run began",
    ),
    _table(
        "violations", "what the run was judged to violate",
        pair="VARCHAR as in operations", guarantee="VARCHAR", attribution="VARCHAR pre-existing, mixed, …",
        service="VARCHAR", operation="VARCHAR", step="VARCHAR that shows it best", steps="VARCHAR[] that show it",
        versions="VARCHAR[]", count="INTEGER how often it was found", message="VARCHAR", experience="VARCHAR",
        evidence="VARCHAR[] operations that prove it", cause="VARCHAR", fails="BOOLEAN it fails the run",
    ),
)  # fmt: skip
HISTORY = tuple(table for table in TABLES if table.name != "violations")  # what an invariant sees
BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}


def described() -> str:
    """All tables with their columns, as text."""
    lines = []
    for table in TABLES:
        lines.append(f"{table.name}: {table.meaning}")
        lines += [f"  {column.name:<16} {column.type:<10} {column.meaning}".rstrip() for column in table.columns]
        lines.append("")
    return "\n".join(lines)

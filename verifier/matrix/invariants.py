"""The `invariants` of a matrix: SQL that must return no rows, over the history or over a store after each step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verifier.located import Located, Reader
from verifier.matrix.model import Invariant, Store

STORES = ("postgres", "sqlite")  # kinds of stores that can be asked
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SELECT = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:select|with|values)\b", re.IGNORECASE | re.DOTALL)


def read_invariants(reader: Reader, at: Located | None, stores: Sequence[Store]) -> tuple[Invariant, ...]:
    """Each invariant by its name. A line of SQL alone is about the history."""
    found = []
    for name, item in reader.mapping(at).items():
        if not _NAME.fullmatch(name):
            reader.problem(item, f"{name!r} must have lower-case letters, digits and dashes")
        short = not isinstance(item.value, dict)
        items = {"sql": item} if short else reader.mapping(item, ("sql", "on", "says"))
        if "sql" not in items:
            reader.problem(item, "needs 'sql'")
            continue
        sql, where = reader.text(items["sql"]).strip().rstrip(";"), items["sql"]
        store = reader.text(items.get("on"))
        if "on" in items:
            _check_store(reader, items["on"], store, stores)
        if not _SELECT.match(sql):
            reader.problem(where, "must be one SELECT")
        found.append(Invariant(name, sql, store, reader.text(items.get("says")), where.line, where.key))
    return tuple(found)


def kind_of(store: Store) -> str:
    """The kind of a store that can be asked; "" for any other."""
    if store.kind in STORES or store.process in STORES:
        return str(store.kind if store.kind in STORES else store.process)
    image = (store.image or "").rpartition("/")[2].partition(":")[0]
    return image if image in STORES and store.process is None else ""


def _check_store(reader: Reader, at: Located, name: str, stores: Sequence[Store]) -> None:
    store = next((store for store in stores if store.name == name), None)
    if store is None:
        known = ", ".join(entry.name for entry in stores) or "none is declared"
        reader.problem(at, f"there is no store {name!r}: {known}")
    elif not kind_of(store):
        reader.problem(at, f"store {name!r} cannot be asked: only {' and '.join(STORES)} can")

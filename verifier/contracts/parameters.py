"""Parameters of two versions of one operation: path, query, headers and cookies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from verifier.contracts.bodies import BodyPlace, Memory, schema_findings
from verifier.contracts.model import ContractOperation, Parameter, Schema
from verifier.contracts.shapes import defs_of, flat, types
from verifier.contracts.skew import default_skew
from verifier.contracts.verdicts import ContractDifference

Key = tuple[str, str]
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def parameter_findings(
    writer: ContractOperation, reader: ContractOperation, place: BodyPlace, memory: Memory
) -> Iterator[ContractDifference]:
    """Findings: parameters of the writer that the reader rejects, misreads or ignores."""
    mine, theirs = _keyed(writer), _keyed(reader)
    for key, parameter in mine.items():
        where = replace(place, part=f"{parameter.place} {parameter.name}")
        read = theirs.get(key)
        if read is not None:
            yield from _both(parameter, read, where, memory)
        elif parameter.place != "path":
            message = f"{place.reader} does not know the {parameter.place} parameter {parameter.name} and drops it"
            yield where.skewed("dropped-parameter", parameter.pointer, message)
    for key, parameter in theirs.items():
        if parameter.required and key not in mine and parameter.place != "path":
            where = replace(place, part=f"{parameter.place} {parameter.name}")
            named = f"the {parameter.place} parameter {parameter.name}"
            message = f"{place.reader} requires {named}, {place.writer} does not know it"
            yield where.breaking("parameter-required", parameter.pointer, message)


def _keyed(operation: ContractOperation) -> dict[Key, Parameter]:
    """Parameters by key. Path parameters have their position, because their names do not count; headers ignore case."""
    positions = {name: str(at) for at, name in enumerate(_VARIABLE.findall(operation.path))}
    found: dict[Key, Parameter] = {}
    for item in operation.parameters:
        name = item.name.lower() if item.place == "header" else item.name
        found[item.place, positions.get(name, name) if item.place == "path" else name] = item
    return found


def _both(mine: Parameter, theirs: Parameter, place: BodyPlace, memory: Memory) -> Iterator[ContractDifference]:
    if theirs.required and not mine.required:
        message = f"{place.reader} requires the {theirs.place} parameter {theirs.name}, {place.writer} may leave it out"
        yield place.breaking("parameter-required", theirs.pointer, message)
    if mine.media != theirs.media:
        message = (
            f"{place.reader} reads {theirs.name} as {theirs.media or 'plain text'}, not {mine.media or 'plain text'}"
        )
        yield place.breaking("parameter-style", theirs.pointer, message)
        return
    left, right = _kinds(mine.schema), _kinds(theirs.schema)
    listed = {"array", "object"}
    if left & listed and right & listed and (mine.style, mine.explode) != (theirs.style, theirs.explode):
        message = f"{place.reader} reads {theirs.name} as {_style(theirs)}, it is written as {_style(mine)}"
        yield place.breaking("parameter-style", theirs.pointer, message)
        return
    target = theirs.schema
    if right == {"array"} and not left & listed:
        target = _one_item(theirs.schema)
    yield from schema_findings(mine.schema or Schema({"type": "string"}, mine.pointer), target, place, memory,
                               as_text=not mine.media)  # fmt: skip
    if not mine.required and mine.schema is not None and theirs.schema is not None:
        skew = default_skew(mine.schema.document, theirs.schema.document, f"the parameter {theirs.name}")
        if skew is not None:
            yield place.skewed(skew.rule, theirs.pointer, f"{place.reader}: {skew.message}")


def _style(parameter: Parameter) -> str:
    return f"{parameter.style}{' exploded' if parameter.explode else ''}"


def _kinds(schema: Schema | None) -> frozenset[str]:
    if schema is None:
        return frozenset({"string"})
    shape: Any = flat(schema.document, defs_of(schema.document))
    for key in ("anyOf", "oneOf"):
        if isinstance(shape, dict) and key in shape:
            defs = defs_of(schema.document)
            return frozenset().union(*(types(flat(branch, defs)) for branch in shape[key]))
    return types(shape)


def _one_item(schema: Schema | None) -> Schema | None:
    """A reader of a list reads a single value as a list of one."""
    if schema is None:
        return None
    defs = defs_of(schema.document)
    shape = flat(schema.document, defs)
    if not isinstance(shape, dict) or shape.get("minItems", 0) > 1 or shape.get("maxItems", 1) < 1:
        return schema
    items = shape.get("items", True)
    return Schema({**items, "$defs": defs} if isinstance(items, dict) and defs else items, f"{schema.pointer}/items")

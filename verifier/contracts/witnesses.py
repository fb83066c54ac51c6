"""Builds whole values around a part, so that a break deep inside a schema gets a witness of the whole schema."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from verifier.contracts import engine, samples
from verifier.contracts.breaks import Break
from verifier.contracts.schemathesis_engine import generated
from verifier.contracts.shapes import Defs, Node
from verifier.pointers import MISSING


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds small values of the writer's nodes. The result is MISSING if none could be built."""

    defs: Defs
    seed: int

    def smallest(self, node: Node) -> Any:
        try:
            return samples.smallest(node, self.defs)
        except samples.Impossible:
            drawn = generated(engine.document(node, self.defs).schema, 3, self.seed)
            return drawn[0] if drawn else MISSING

    def without(self, w: dict[str, Any], name: str) -> Any:
        try:
            value = samples.smallest(w, self.defs, {})
        except samples.Impossible:
            return MISSING
        return {key: item for key, item in value.items() if key != name}

    def around(self, w: dict[str, Any], name: str, value: Any) -> Any:
        try:
            return samples.smallest(w, self.defs, {name: value})
        except samples.Impossible:
            return MISSING

    def lifted(self, item: Break, w: dict[str, Any], name: str) -> Break:
        witness = self.around(w, name, item.witness) if item.witness is not MISSING else MISSING
        return replace(item, witness=witness)

    def item(self, item: Break, w: dict[str, Any], at: int) -> Break:
        if item.witness is MISSING:
            return item
        value = self.of_length(w, max(w.get("minItems", 0), at + 1))
        if value is MISSING:
            return replace(item, witness=MISSING)
        return replace(item, witness=[*value[:at], item.witness, *value[at + 1 :]])

    def of_length(self, w: dict[str, Any], length: int) -> Any:
        try:
            return samples.array_of(w, self.defs, length)
        except samples.Impossible:
            return MISSING

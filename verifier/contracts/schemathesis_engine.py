"""Generated values of a schema, from the seeded engine of schemathesis. Equal schemas and seeds give equal values.

This is the only module that imports schemathesis. It has no public function for the values of a bare schema, so an
internal one is called. `tests/contracts/test_schemathesis_engine.py` tells when it moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from verifier.contracts.shapes import recursive
from verifier.contracts.weight import weight_of

_MOST_DEMANDED = 8192  # characters or items; the engine itself makes no longer text
_HARD = {"unevaluatedProperties", "not", "if"}
_MOST_SCHEMAS = 5_000  # with references replaced, as the engine does
_LONGEST_PATTERN = 1_000  # characters
_SIZES = ("minLength", "minItems", "minProperties", "minContains")


def generated(document: dict[str, Any] | bool, count: int, seed: int) -> tuple[Any, ...]:
    """Up to `count` values of a schema document; () if the engine cannot model the schema."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import HypothesisException
    from schemathesis.core.errors import SchemathesisError
    from schemathesis.generation.jsonschema.builder import build
    from schemathesis.specs.openapi.formats import get_default_format_strategies

    if recursive(document) and _HARD & _keywords(document):
        return ()  # the engine overflows its stack, or draws values for ever
    if _demands_much(document) or weight_of(document).nodes > _MOST_SCHEMAS:
        return ()
    found: list[Any] = []
    try:
        with _own_home():
            strategy = build(document, draft=20, formats=dict(get_default_format_strategies()))

            @seeded(seed)
            @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
                      suppress_health_check=list(HealthCheck))  # fmt: skip
            @given(strategy)
            def draw(value: Any) -> None:
                found.append(value)

            draw()
    except (SchemathesisError, HypothesisException, ValueError, RecursionError):
        return tuple(found)
    return tuple(found)


def _keywords(document: Any) -> set[str]:
    """All keys of a document, those of its definitions too."""
    found: set[str] = set()
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found |= node.keys()
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return found


def _demands_much(document: Any) -> bool:
    """Whether a schema has only values that are too long to be made, or a pattern that is too long for the engine."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if any(isinstance(node.get(key), int | float) and node[key] > _MOST_DEMANDED for key in _SIZES):
                return True
            if isinstance(node.get("pattern"), str) and len(node["pattern"]) > _LONGEST_PATTERN:
                return True
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False


@contextmanager
def _own_home() -> Iterator[None]:
    """A temporary home for the engine, which otherwise keeps tables of characters in the working directory."""
    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)

"""Values inside lists: in a store with other data the same element stands at another position.

The element is looked for in this order: the one with the recorded value, if the list still has it at the same member
(data that was there before and stays); the one most like the recorded element; the one at the recorded position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verifier.correlation.model import Extraction
from verifier.correlation.response_reader import ResponseReader
from verifier.correlation.text.json import as_text
from verifier.correlation.text.selecting import select_all
from verifier.pointers import is_index, value_at

_MOST_SIBLINGS = 12


def _split_pointer(pointer: str) -> tuple[str, str, str]:
    """The pointer of the innermost list, the index in it, and the pointer inside the element."""
    tokens = pointer.split("/")
    last = max(at for at, token in enumerate(tokens) if is_index(token))
    inner = "/".join(tokens[last + 1 :])
    return "/".join(tokens[:last]), tokens[last], f"/{inner}" if inner else ""


def siblings(document: Any, pointer: str) -> tuple[tuple[str, str], ...]:
    """The scalars in the same element of the list, by pointer inside it, without the value itself."""
    outer, index, inner = _split_pointer(pointer)
    element = value_at(document, f"{outer}/{index}")
    if not isinstance(element, dict):
        return ()
    found = []
    for name, value in element.items():
        text = as_text(value)
        if text and f"/{name}" != inner and "/" not in name and "~" not in name:
            found.append((f"/{name}", text))
    return tuple(found[:_MOST_SIBLINGS])


def listed_value(reader: ResponseReader, extraction: Extraction, recorded: str) -> str | None:
    """The value of an extraction whose locator leads into a list; None where the response has no such list."""
    locator = extraction.locator
    if locator.part != "json":
        return reader.value(locator)
    outer, index, inner = _split_pointer(locator.key)
    elements = value_at(reader.json(), outer)
    if not isinstance(elements, list):
        return reader.value(locator)
    if locator.cuts:
        return select_all(locator.cuts, as_text(value_at(elements, f"/{index}{inner}")))
    texts = [as_text(value_at(element, inner)) for element in elements]
    if recorded in texts:
        return recorded
    best = _most_alike(elements, extraction.siblings)
    if best is not None:
        return texts[best]
    return texts[int(index)] if int(index) < len(texts) else None


def _most_alike(elements: Sequence[Any], wanted: tuple[tuple[str, str], ...]) -> int | None:
    """The one element that agrees with more recorded siblings than any other."""
    scores = [sum(1 for pointer, text in wanted if as_text(value_at(element, pointer)) == text) for element in elements]
    best = max(scores, default=0)
    return scores.index(best) if best and scores.count(best) == 1 else None

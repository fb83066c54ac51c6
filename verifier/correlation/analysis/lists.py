"""Values inside lists: in a store with other data the same element stands at another position.

In this order: the recorded value itself, if the list still has it at the same member (things that were there
before and stay); the element most like the recorded one; the recorded position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from verifier.correlation.analysis.model import MISSING, Origin, as_text, at_pointer
from verifier.correlation.analysis.sources import SourceResponse
from verifier.correlation.text.picking import pick

if TYPE_CHECKING:
    from verifier.correlation.execution.script import Extraction

_MOST_SIBLINGS = 12


def cut(pointer: str) -> tuple[str, str, str]:
    """The innermost list's pointer, the index in it, the pointer inside the element."""
    tokens = pointer.split("/")
    last = max(at for at, token in enumerate(tokens) if token.isdecimal())
    inner = "/".join(tokens[last + 1 :])
    return "/".join(tokens[:last]), tokens[last], f"/{inner}" if inner else ""


def siblings(document: Any, pointer: str) -> tuple[tuple[str, str], ...]:
    """The scalars in the same element of the list, by pointer inside it, without the value itself."""
    above, index, inner = cut(pointer)
    element = at_pointer(document, f"{above}/{index}")
    if not isinstance(element, dict):
        return ()
    found = []
    for name, value in element.items():
        text = as_text(value)
        if text and f"/{name}" != inner and "/" not in name and "~" not in name:
            found.append((f"/{name}", text))
    return tuple(found[:_MOST_SIBLINGS])


def take_listed(answer: SourceResponse, extraction: Extraction, recorded: str) -> str | None:
    """The value for `extraction`, whose origin lies in a list; None where the answer has no such list."""
    if extraction.origin.place != "json":
        return answer.extraction(extraction.origin)
    above, index, inner = cut(extraction.origin.key)
    elements = at_pointer(answer.json(), above)
    if not isinstance(elements, list):
        return answer.extraction(extraction.origin)
    if extraction.origin.steps:
        return _deeper(at_pointer(elements, f"/{index}{inner}"), extraction.origin)
    texts = [as_text(at_pointer(element, inner)) for element in elements]
    if recorded in texts:
        return recorded
    best = _most_alike(elements, extraction.siblings)
    if best is not None:
        return texts[best]
    return texts[int(index)] if int(index) < len(texts) else None


def _most_alike(elements: Sequence[Any], wanted: tuple[tuple[str, str], ...]) -> int | None:
    """The one element that agrees with more recorded siblings than any other."""
    scores = [
        sum(1 for pointer, text in wanted if as_text(at_pointer(element, pointer)) == text) for element in elements
    ]
    best = max(scores, default=0)
    return scores.index(best) if best and scores.count(best) == 1 else None


def _deeper(value: Any, origin: Origin) -> str | None:
    text = None if value is MISSING else as_text(value)
    for splitter, selector in origin.steps:
        if text is None:
            return None
        text = pick(splitter, selector, text)
    return text

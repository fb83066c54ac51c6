"""Names for operations that no contract names: "GET /orders/{}"."""

from __future__ import annotations

import re

from verifier.correlation.template import Template
from verifier.correlation.text.classes import is_random, is_unique
from verifier.http.message import Request

_NUMBER = re.compile(r"[0-9]+\Z")
_HOLE = "\0"


def step_name(request: Request, template: Template | None) -> str:
    """Segments that are filled in, or that look like an identifier, become {}."""
    target = request.target
    if template is not None:
        target = "".join(piece if isinstance(piece, str) else _HOLE for piece in template)
    segments = target.partition("?")[0].split("/")
    return f"{request.method} {'/'.join('{}' if _identifies(segment) else segment for segment in segments)}"


def _identifies(segment: str) -> bool:
    return _HOLE in segment or bool(_NUMBER.match(segment)) or is_unique(segment) or is_random(segment)

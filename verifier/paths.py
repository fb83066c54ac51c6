"""Path templates such as `/orders/{id}`: which paths they match, and the values of their variables in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

VARIABLE = re.compile(r"\{([^{}]*)\}")


@lru_cache(maxsize=4096)
def segment_pattern(segment: str) -> re.Pattern[str]:
    """A decoded segment such as `{name}.json` as a regular expression; each variable matches at least one character."""
    fixed = [re.escape(part) for part in VARIABLE.split(segment)[::2]]
    return re.compile("(.+?)".join(fixed), re.DOTALL)


def matches(template: str, path: str) -> bool:
    """Whether a template matches a whole path, percent-encoding aside. `{}` is a variable without a name."""
    return _values(template.split("/"), path.split("/")) is not None


def path_values(template: str, path: str) -> dict[str, str]:
    """The decoded values of a template's variables in a path that it matches; {} if it does not.

    A base path before the template and a slash after it are allowed.
    """
    if not template:
        return {}
    segments, found = template.strip("/").split("/"), path.strip("/").split("/")
    values = _values(segments, found[len(found) - len(segments) :]) if len(found) >= len(segments) else None
    return dict(zip(VARIABLE.findall(template), values, strict=True)) if values is not None else {}


def _values(template: Sequence[str], path: Sequence[str]) -> list[str] | None:
    if len(template) != len(path):
        return None
    values: list[str] = []
    for segment, found in zip(template, path, strict=True):
        if segment == found and "{" not in segment and "%" not in segment:
            continue
        match = segment_pattern(unquote(segment)).fullmatch(unquote(found))
        if match is None:
            return None
        values += match.groups()
    return values

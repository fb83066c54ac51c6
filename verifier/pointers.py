"""JSON pointers (RFC 6901): written, taken apart, and followed into a document."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

MISSING: Final[Any] = type("Missing", (), {"__slots__": (), "__repr__": lambda self: "MISSING"})()
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


@lru_cache(maxsize=8192)
def escape(name: str) -> str:
    """One token of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


@lru_cache(maxsize=8192)
def below(pointer: str, name: str) -> str:
    """The pointer of a member of the object at a pointer."""
    return f"{pointer}/{escape(name)}"


def names(pointer: str) -> list[str]:
    """The names of the members on the way, the outermost first; none in "", the whole document."""
    tokens = pointer.split("/")[1:]
    return [token.replace("~1", "/").replace("~0", "~") for token in tokens] if "~" in pointer else tokens


def is_index(token: str) -> bool:
    """Whether a token may be the position of an array's element: decimal digits with no leading zero."""
    return _INDEX.fullmatch(token) is not None


def value_at(document: Any, pointer: str) -> Any:
    """The value that a pointer names in a JSON document; MISSING where there is none."""
    value = document
    for name in names(pointer):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and is_index(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value

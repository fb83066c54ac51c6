"""JSON pointers (RFC 6901): how the name of a member is written in one, and read out of it."""

from __future__ import annotations


def escape(name: str) -> str:
    """One token of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def names(pointer: str) -> list[str]:
    """The names of the members on the way, the outermost first; none in "", the whole document."""
    tokens = pointer.split("/")[1:]
    return [token.replace("~1", "/").replace("~0", "~") for token in tokens] if "~" in pointer else tokens

"""Frozen values made quickly: one answer makes several of them, and a frozen `__init__` is slow by design.

A frozen dataclass fills each field through `object.__setattr__`. Here a class of the same layout fills them by plain
assignment and then becomes the frozen class; what comes out is an ordinary, frozen instance of it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """A callable that makes instances of a frozen dataclass with slots, from all its fields, by position."""
    names = tuple(field.name for field in fields(cast(Any, cls)))
    lines = [f"def __init__(self, {', '.join(names)}):", *(f"    self.{name} = {name}" for name in names)]
    space: dict[str, Any] = {"final": cls}
    exec("\n".join([*lines, "    self.__class__ = final"]), space)
    twin = type(cls.__name__, (), {"__slots__": names, "__init__": space["__init__"]})
    return cast(type[T], twin)

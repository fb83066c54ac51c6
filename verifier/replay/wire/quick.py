"""Frozen values made quickly: one exchange makes several of them, and a frozen `__init__` is slow by design.

A frozen dataclass fills each field through `object.__setattr__`. Here a class of the same layout fills them by plain
assignment and then becomes the frozen class; what comes out is an ordinary, frozen instance of it.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """A callable that makes instances of a frozen dataclass with slots, and takes the same arguments.

    Raises TypeError for a class whose fields it cannot fill by itself: default factories, or an own `__post_init__`.
    """
    listed = fields(cast(Any, cls))
    if hasattr(cls, "__post_init__") or any(not item.init or item.default_factory is not MISSING for item in listed):
        raise TypeError(f"{cls.__name__} does more than to fill its fields")
    names = tuple(item.name for item in listed)
    space: dict[str, Any] = {"final": cls, "defaults": {item.name: item.default for item in listed}}
    arguments = [
        name if item.default is MISSING else f"{name}=defaults[{name!r}]"
        for name, item in zip(names, listed, strict=True)
    ]
    lines = [f"def __init__(self, {', '.join(arguments)}):", *(f"    self.{name} = {name}" for name in names)]
    exec("\n".join([*lines, "    self.__class__ = final"]), space)
    twin = type(cls.__name__, (), {"__slots__": names, "__init__": space["__init__"]})
    return cast(type[T], twin)

"""References in a matrix: `${stores.NAME.PART}`, `${env.NAME}` and `{port}`. One that stands for nothing is a problem.

`${env.NAME}` is the caller's environment variable, and is filled in while the matrix is read. What a store is called by
is known when it runs; here it is only checked that such a part exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from verifier.located import Located, Reader, walk

PARTS = ("url", "host", "port", "user", "password", "database", "path")
REFERENCE = re.compile(r"\$\{([^}]*)\}")
_ENV = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
_SHELL = re.compile(r"[^\w.-]")  # occurs in shell expansions such as `${DB#sqlite://}`, and in no reference

# Which parts a store has that is declared by this image and this process.
PartsOf = Callable[[str | None, object], Collection[str]]


def every_part(image: str | None, process: object) -> Collection[str]:
    return PARTS


@dataclass(slots=True)
class CallerEnvironment:
    """The caller's variables, and those that the matrix has used so far."""

    variables: Mapping[str, str]
    used: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str | None:
        value = self.variables.get(name)
        if value is not None:
            self.used[name] = value
        return value

    def filled(self, reader: Reader, at: Located) -> Located:
        """The value with `${env.NAME}` filled in, everywhere in it."""
        if isinstance(at.value, dict):
            return replace(at, value={name: self.filled(reader, item) for name, item in at.value.items()})
        if isinstance(at.value, list):
            return replace(at, value=[self.filled(reader, item) for item in at.value])
        return replace(at, value=self.text(reader, at, at.value)) if isinstance(at.value, str) else at

    def text(self, reader: Reader, at: Located, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            known = self.get(found[1])
            if known is None:
                reader.problem(at, f"{found[0]}: the environment variable {found[1]} is not set")
            return known or ""

        return _ENV.sub(value, text)


def check_references(reader: Reader, items: Mapping[str, Located], parts_of: PartsOf) -> None:
    """Report every reference in services and stores that stands for nothing. Before anything is filled in."""
    stores = items.get("stores")
    declared = stores.value if stores is not None and isinstance(stores.value, dict) else {}
    allowed = {f"stores.{name}.{part}" for name, at in declared.items() for part in _parts(at, parts_of)}
    services = items.get("services")
    for item in services.value.values() if services is not None and isinstance(services.value, dict) else ():
        _check(reader, item, allowed)
        kind = item.value.get("kind") if isinstance(item.value, dict) else None
        if kind is not None and kind.value == "worker":
            _no_port(reader, item)
    for item in declared.values():
        _check(reader, item, set())


def _parts(at: Located, parts_of: PartsOf) -> Collection[str]:
    items = at.value if isinstance(at.value, dict) else {}
    image, process = (items[name].plain() if name in items else None for name in ("image", "process"))
    named = items["kind"].plain() if "kind" in items else None
    image = None if named is not None else image
    return parts_of(image if isinstance(image, str) else None, process if process is not None else named)


def _check(reader: Reader, section: Located, allowed: Collection[str]) -> None:
    for at in walk(section):
        if isinstance(at.value, str):
            for name in REFERENCE.findall(at.value):
                if name not in allowed and not _SHELL.search(name) and not _ENV.fullmatch(f"${{{name}}}"):
                    known = ", ".join(f"${{{entry}}}" for entry in (*sorted(allowed), "env.NAME"))
                    reader.problem(at, f"${{{name}}} is not defined; known: {known}")


def _no_port(reader: Reader, section: Located) -> None:
    for at in walk(section):
        if isinstance(at.value, str) and "{port}" in at.value:
            reader.problem(at, "{port} stands for nothing: a worker has no port")

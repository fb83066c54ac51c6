"""Maps paths to operations with a trie of segments. Concrete templates come first (OpenAPI 3.1, Paths Object)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar
from urllib.parse import unquote

from verifier.paths import VARIABLE, segment_pattern

T = TypeVar("T")
_CACHE = 4096


class _Node(Generic[T]):
    """A trie node for one segment. `mixed` has segments such as `{name}.json`, the longest fixed text first."""

    __slots__ = ("fixed", "mixed", "targets", "variable")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[T]] = {}
        self.mixed: dict[str, tuple[re.Pattern[str], _Node[T]]] = {}
        self.variable: _Node[T] | None = None
        self.targets: dict[str, T] = {}

    def child(self, segment: str) -> _Node[T]:
        if "{" not in segment:
            return self.fixed.setdefault(unquote(segment), _Node())
        if VARIABLE.fullmatch(segment):
            self.variable = self.variable or _Node()
            return self.variable
        if segment not in self.mixed:
            self.mixed[segment] = (segment_pattern(segment), _Node())
            self.mixed = dict(sorted(self.mixed.items(), key=lambda item: -len(VARIABLE.sub("", item[0]))))
        return self.mixed[segment][1]

    def find(self, method: str, segments: Sequence[str], at: int) -> T | None:
        if at == len(segments):
            return self.targets.get(method)
        segment = segments[at]
        fixed = self.fixed.get(segment)
        found = fixed.find(method, segments, at + 1) if fixed else None
        if found is not None:
            return found
        for pattern, node in self.mixed.values():
            if pattern.fullmatch(segment) and (found := node.find(method, segments, at + 1)) is not None:
                return found
        return self.variable.find(method, segments, at + 1) if self.variable and segment else None


class Routes(Generic[T]):
    """Finds the target of a method and a path. Recent results are cached, up to a fixed number."""

    def __init__(self, targets: Iterable[tuple[str, str, T]], bases: Iterable[str] = ()) -> None:
        self._root: _Node[T] = _Node()
        self._bases = [base for base in sorted(set(bases), key=len, reverse=True) if base.strip("/")]
        self._recent: dict[tuple[str, str], T | None] = {}
        for method, template, target in targets:
            node = self._root
            for segment in template.split("/")[1:]:
                node = node.child(segment)
            node.targets.setdefault(method.upper(), target)

    def match(self, method: str, path: str) -> T | None:
        key = (method, path)
        if key in self._recent:
            return self._recent[key]
        if len(self._recent) >= _CACHE:
            self._recent.clear()
        found = self._recent[key] = self._match(method.upper(), path.partition("?")[0])
        return found

    def _match(self, method: str, path: str) -> T | None:
        rests = [path[len(base) :] or "/" for base in self._bases if path == base or path.startswith(base + "/")]
        for method_tried in (method, "GET") if method == "HEAD" else (method,):
            for rest in (*rests, path):
                segments = [unquote(part) for part in rest.split("/")[1:]]
                found = self._root.find(method_tried, segments, 0)
                if found is not None:
                    return found
        return None

"""Which names belong together."""

from __future__ import annotations


class Union:
    """Disjoint sets of names (Tarjan 1975), the root being the first name joined."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def find(self, name: str) -> str:
        above = self._above.setdefault(name, name)
        while above != name:
            self._above[name] = self._above[above]
            name, above = above, self._above[above]
        return name

    def find_known(self, name: str) -> str | None:
        return self.find(name) if name in self._above else None

    def join(self, one: str, other: str) -> None:
        self._above[self.find(other)] = self.find(one)

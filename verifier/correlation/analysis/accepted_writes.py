"""The writes of a session that were answered 202 and of which nothing has shown an end yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from verifier.correlation.analysis.own_values import identifies, response_values
from verifier.http.message import Response


@dataclass(slots=True)
class AcceptedWrites:
    """Open writes by their positions, in the order in which they were sent, with the texts that identify their work.

    The texts are counted, so that a read is compared with all open writes at once: a client may never look after them.
    """

    _texts: dict[int, frozenset[str]] = field(default_factory=dict)
    _open: Counter[str] = field(default_factory=Counter)

    def add(self, at: int, response: Response) -> None:
        texts = frozenset(text for member, text in response_values(response) if identifies(member, text))
        self._texts[at] = texts
        self._open.update(texts)

    def end(self, writes: Iterable[int]) -> None:
        """Take out writes whose work has ended."""
        for at in writes:
            self._open.subtract(self._texts.pop(at))

    def named_by(self, said: AbstractSet[str]) -> bool:
        """Whether one of some texts identifies the work of an open write."""
        return any(self._open[text] > 0 for text in said)

    @property
    def latest(self) -> int:
        """Raises StopIteration if no write is open."""
        return next(reversed(self._texts))

    def __contains__(self, at: object) -> bool:
        return at in self._texts

    def __iter__(self) -> Iterator[int]:
        return iter(self._texts)

    def __bool__(self) -> bool:
        return bool(self._texts)

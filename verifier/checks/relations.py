"""One version's relations at one place: what it always shows of what was written, or of what it showed before."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from verifier.checks.renderings import EMPTY, Values, distinctive
from verifier.checks.replays import Replay, Source
from verifier.history.model import Operation

Kind = Literal["read", "write", "read-back"]
Place = tuple[str, str, int, Kind]  # service, session, exchange
NOTHING: frozenset[str] = frozenset()
FEW = 2  # samples that a relation needs
ATTEMPTS = 3  # first samples from which relations are proposed: one of them may have met a cache that lags


@dataclass(frozen=True, slots=True)
class Reading:
    """One response looked at: its place, its replay, and the values at each pointer."""

    operation: Operation
    replay: Replay
    place: Place
    values: Values

    def visible(self, source: Source) -> bool:
        """Whether the client had written this before it read; of its own request a response shows what was sent."""
        index = self.place[2]
        return self.place[3] == "read-back" or source[0] < index or (source[0] == index and source[1] == "sent")

    def holds(self, source: Source, pointer: str) -> bool:
        shown = self.values.get(pointer, absent(pointer))
        return any(option <= shown for option in self.replay.sources.get(source, ()))


@dataclass(slots=True)
class Relations:
    """What one version keeps at one place: how often each relation held, of `samples` readings."""

    samples: int = 0
    held: dict[str, Counter[Source]] = field(default_factory=lambda: defaultdict(Counter))
    _kept: dict[str, list[Source]] = field(default_factory=dict)
    texts: dict[tuple[str, Source], set[frozenset[str]]] = field(default_factory=lambda: defaultdict(set))
    shown: dict[str, Counter[frozenset[str]]] = field(default_factory=lambda: defaultdict(Counter))
    late: dict[tuple[str, Source], float] = field(default_factory=lambda: defaultdict(float))
    repeated: Counter[str] = field(default_factory=Counter)  # equal to what the read before showed
    compared: Counter[str] = field(default_factory=Counter)

    def learn(self, reading: Reading, before: Values | None) -> None:
        self.samples += 1
        for pointer, texts in reading.values.items():
            self.shown[pointer][texts] += 1
            if before is not None and pointer in before:
                self.compared[pointer] += 1
                self.repeated[pointer] += before[pointer] == texts
            if self.samples <= ATTEMPTS:
                for source in {source for text in texts for source in reading.replay.carrying(text)}:
                    if reading.visible(source):
                        self.held[pointer].setdefault(source, 0)
        for pointer, sources in self.held.items():
            for source in sources:
                self._try(reading, pointer, source)

    def _try(self, reading: Reading, pointer: str, source: Source) -> None:
        if reading.holds(source, pointer):
            self.held[pointer][source] += 1
            if len(self.texts[pointer, source]) < FEW:
                self.texts[pointer, source].update(reading.replay.sources[source])
        elif source in reading.replay.sources:
            age = reading.operation.started - reading.replay.write(source[0]).ended
            self.late[pointer, source] = max(age, self.late[pointer, source])

    def kept(self, pointer: str) -> list[Source]:
        """The relations to writes that always held, the latest write first. Asked when everything was learned."""
        if pointer not in self._kept:
            found = [
                source
                for source, held in self.held.get(pointer, {}).items()
                if held == self.samples and self._telling(pointer, source)
            ]
            found.sort(key=lambda source: (source[0], source[1] == "sent", source[2]), reverse=True)
            self._kept[pointer] = found
        return self._kept[pointer]

    def _telling(self, pointer: str, source: Source) -> bool:
        """Whether a relation is no coincidence: it holds for several values, for a distinctive one, or by its name."""
        texts = self.texts[pointer, source]
        if self.samples < FEW or not any(option - {EMPTY} for option in texts):
            return False
        if len(texts) > 1 or all(distinctive(text) for option in texts for text in option):
            return True
        return _name(pointer) == _name(source[2])

    def never(self, pointer: str, sources: list[Source]) -> bool:
        """Whether relations that another version keeps have never held for this one."""
        held = self.held.get(pointer, Counter())
        return bool(sources) and self.samples >= FEW and not any(held[source] for source in sources)

    def lag(self, pointer: str) -> float:
        """Seconds after a write for which a reading that usually follows it did not yet."""
        usual = (
            self.late[pointer, source]
            for source, held in self.held.get(pointer, {}).items()
            if (pointer, source) in self.late and self.samples > held >= self.samples / 2
        )
        return max(usual, default=0.0)

    def repeats(self, pointer: str) -> bool:
        """Whether the value always was the one that the client's read before showed."""
        return self.compared[pointer] >= FEW and self.repeated[pointer] == self.compared[pointer]

    def always(self, pointer: str, texts: frozenset[str]) -> bool:
        """Whether every sample shows exactly these values."""
        return self.shown[pointer][texts] == self.samples if pointer in self.shown else False


def absent(pointer: str) -> frozenset[str]:
    """What a response shows at a pointer that it does not have: an empty value, or a list without entries."""
    return NOTHING if "*" in pointer else frozenset({EMPTY})


def _name(pointer: str) -> str:
    names = [name for name in pointer.replace("?", "/").split("/") if name and name != "*"]
    return names[-1].replace("_", "").replace("-", "").lower() if names else ""

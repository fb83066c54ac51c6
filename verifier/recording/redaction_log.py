"""What was redacted, and what looked like a secret and was left, by place and name."""

from __future__ import annotations

from collections import Counter

_MOST_ROWS = 1000  # kept
_SHOWN = 40  # of each kind
_LONGEST = 48  # characters of a name


class RedactionLog:
    """Counts by place (such as "request header") and name."""

    def __init__(self) -> None:
        self.redacted: Counter[tuple[str, str]] = Counter()
        self.left: Counter[tuple[str, str]] = Counter()
        self.numbers: Counter[tuple[str, str]] = Counter()  # of those redacted, which are numbers

    def hide(self, place: str, name: str, number: bool = False) -> None:
        _count(self.redacted, place, name)
        if number:
            _count(self.numbers, place, name)

    def leave(self, place: str, name: str) -> None:
        _count(self.left, place, name)

    def table(self) -> str:
        """A table for the terminal; "" if there was nothing."""
        from tabulate import tabulate  # late: most readers of a recording print no table

        rows = [(*row, "redacted") for row in _rows(self.redacted)]
        rows += [(*row, "left: --redact NAME would redact it") for row in _rows(self.left)]
        return (
            tabulate(rows, headers=("where", "name", "times", "what was done"), disable_numparse=True) if rows else ""
        )


def _count(counter: Counter[tuple[str, str]], place: str, name: str) -> None:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST]) or "-"
    if (place, shown) in counter or len(counter) < _MOST_ROWS:
        counter[place, shown] += 1


def _rows(counter: Counter[tuple[str, str]]) -> list[tuple[str, str, str]]:
    rows = [(place, name, str(times)) for (place, name), times in sorted(counter.items())]
    more = len(rows) - _SHOWN
    return [*rows[:_SHOWN], ("...", f"{more} more names", "")] if more > 0 else rows

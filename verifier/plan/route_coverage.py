"""Counts the pairs of exchanges × pairs of versions that routes serve, exactly and without a walk over the pairs.

A route is a row with one version for each exchange. The exchanges that a version serves in a row are the bits of an
integer. The union of these integers, over the rows in which some exchange has one version, holds everything that is
served by another version beside it; its ones are the pairs. Columns that are equal in all rows are counted once. So n
exchanges cost at most n × rows × n/64 machine words, once for a plan, and not n²/2 set operations in each step. This
is the bit-parallel way to multiply Boolean matrices: the product of the matrix (exchange and version × row) with its
transpose has a one for each pair that is covered (A. Aho, J. Hopcroft and J. Ullman, The Design and Analysis of
Computer Algorithms, 1974, section 6.6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations_with_replacement, product
from math import comb

Row = tuple[str, ...]


def covered_pairs(rows: Iterable[Sequence[Hashable | None]]) -> int:
    """How many (first, second, version of the first, version of the second) some row shows; first < second.

    All rows have one length. None stands for an exchange that no version has served.
    """
    distinct = list(dict.fromkeys(map(tuple, rows)))
    served = [_exchanges_by_version(row) for row in distinct]
    twice = 0
    for column, count in Counter(zip(*distinct, strict=True)).items():
        beside: dict[tuple[Hashable, Hashable], int] = {}
        for version, exchanges_by_version in zip(column, served, strict=True):
            if version is not None:
                for other, exchanges in exchanges_by_version.items():
                    beside[version, other] = beside.get((version, other), 0) | exchanges
        # An exchange stands beside itself once in each of its versions. That is no pair.
        themselves = len(set(column) - {None})
        twice += count * (sum(exchanges.bit_count() for exchanges in beside.values()) - themselves)
    return twice // 2


def _exchanges_by_version(row: Sequence[Hashable | None]) -> dict[Hashable, int]:
    """For each version the exchanges that it serves, as bits."""
    return {
        version: int("".join("1" if entry == version else "0" for entry in row), 2)
        for version in dict.fromkeys(row)
        if version is not None
    }


class SessionRoutes:
    """The routes of one session in all steps, and which pairs of versions were possible at all."""

    def __init__(self, services: Sequence[str]) -> None:
        """`services` serve the exchanges of the session, in order."""
        self._exchanges = Counter(services)  # how many each service serves
        self._possible: dict[tuple[str, str], set[tuple[str, str]]] = {
            pair: set() for pair in combinations_with_replacement(self._exchanges, 2)
        }
        self._rows: dict[Row, None] = {}

    def add(self, live: Mapping[str, Sequence[str]], rows: Iterable[Row]) -> None:
        """Take in the rows of a step in which these versions of each service are live."""
        self._rows.update(dict.fromkeys(rows))
        for (first, second), versions in self._possible.items():
            versions.update(product(live[first], live[second]))

    @property
    def covered(self) -> int:
        """How many pairs of exchanges × pairs of versions the rows serve."""
        return covered_pairs(self._rows)

    @property
    def total(self) -> int:
        """How many there are in the steps."""
        return sum(
            len(versions)
            * (comb(self._exchanges[one], 2) if one == other else self._exchanges[one] * self._exchanges[other])
            for (one, other), versions in self._possible.items()
        )

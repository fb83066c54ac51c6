"""Routes: which version serves each operation, so that all combinations of operations and versions are covered.

A set of routes is a covering array: one row per replay, one column per operation, a version's index in each cell.
For two versions and pairs the number of rows is the least possible: N rows serve up to C(N-1, ceil(N/2))
operations (G. Katona, Periodica Mathematica Hungarica 3, 1973; D. Kleitman and J. Spencer, Discrete Mathematics
6, 1973). Otherwise the columns grow one at a time in the manner of IPOG (Y. Lei et al., ECBS 2007), for pairs
from an orthogonal array over a finite field (K. Bush, Annals of Mathematical Statistics 23, 1952) where one fits;
for pairs of many operations the product of two smaller arrays is taken where it is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, islice, product
from math import comb

from verifier.plan.route_coverage import covered_pairs

Row = tuple[int, ...]
Rows = tuple[Row, ...]

# Irreducible polynomials over GF(2), as bits. They define the fields with 4 and 8 elements.
_POLYNOMIALS = {4: 0b111, 8: 0b1011}
_OPEN = -1  # a cell that may take any version


@lru_cache(maxsize=1024)
def routes(operations: int, versions: int, strength: int = 2) -> Rows:
    """Rows of version indexes in which any `strength` operations are served by every combination of versions.

    The number of rows is the least possible for two versions and strength 2, and near it otherwise. Equal
    arguments give equal rows. Raises ValueError for negative operations and for versions or strength below 1.
    """
    if operations < 0 or versions < 1 or strength < 1:
        raise ValueError("operations cannot be negative; versions and strength start at 1")
    if operations == 0:
        return ()
    strength = min(strength, operations)
    if versions == 1:
        return ((0,) * operations,)
    if strength == 1:
        return tuple((version,) * operations for version in range(versions))
    if strength == operations:
        return tuple(product(range(versions), repeat=operations))
    if versions == 2 and strength == 2:
        return _katona(operations)
    if strength == 2 and _is_field(versions) and operations > versions + 1:
        return min(_grown(operations, versions, 2), _multiplied(operations, versions), key=len)
    return _grown(operations, versions, strength)


def fewest_rows(operations: int) -> int:
    """The least number of rows for two versions and pairs of at least two operations."""
    rows = 4
    while comb(rows - 1, (rows + 1) // 2) < operations:
        rows += 1
    return rows


def covered(rows: Sequence[Sequence[int]], versions: int) -> tuple[int, int]:
    """The number of operation pairs × version pairs that the rows cover, and their total."""
    operations = len(rows[0]) if rows else 0
    return covered_pairs(rows), comb(operations, 2) * versions * versions


def _katona(operations: int) -> Rows:
    """Each column is a different set of rows; all sets have one size and overlap. The first row is all old."""
    rows = fewest_rows(operations)
    columns = list(islice(combinations(range(1, rows), (rows + 1) // 2), operations))
    return tuple(tuple(int(row in column) for column in columns) for row in range(rows))


def _multiplied(operations: int, versions: int) -> Rows:
    """Blocks of operations: one array distinguishes the blocks, another the operations within a block.

    The second array needs no row with equal values only, because the first one covers those (after B. Stevens and
    E. Mendelsohn, Discrete Applied Mathematics 95, 1999).
    """
    within = [row[:versions] for row in _start(versions + 1, versions, 2) if len(set(row[:versions])) > 1]
    between = routes(-(-operations // versions), versions)
    columns = list(islice(product(range(len(between[0])), range(versions)), operations))
    return (
        *(tuple(row[block] for block, _ in columns) for row in between),
        *(tuple(row[member] for _, member in columns) for row in within),
    )


def _grown(operations: int, versions: int, strength: int) -> Rows:
    table = [list(row) for row in _start(operations, versions, strength)]
    for column in range(len(table[0]), operations):
        _Growth(table, column, versions, strength).run()
    return tuple(tuple(max(cell, 0) for cell in row) for row in table)


def _start(operations: int, versions: int, strength: int) -> Rows:
    """Bush's orthogonal array: polynomials of degree < strength at every element, and their leading coefficients."""
    if not _is_field(versions) or versions < strength:
        return tuple(product(range(versions), repeat=strength))
    rows = []
    for factors in product(range(versions), repeat=strength):
        row = []
        for point in range(versions):
            value = 0
            for factor in reversed(factors):
                value = _add(_multiply(value, point, versions), factor, versions)
            row.append(value)
        rows.append((*row, factors[-1])[:operations])
    return tuple(rows)


def _is_field(size: int) -> bool:
    return size in _POLYNOMIALS or all(size % factor for factor in range(2, size))


def _add(one: int, other: int, size: int) -> int:
    return one ^ other if size in _POLYNOMIALS else (one + other) % size


def _multiply(one: int, other: int, size: int) -> int:
    if size not in _POLYNOMIALS:
        return one * other % size
    value = 0
    while other:
        if other & 1:
            value ^= one
        one <<= 1
        if one >= size:
            one ^= _POLYNOMIALS[size]
        other >>= 1
    return value


class _Growth:
    """Adds one column. It fills each row with the version that covers most, and adds rows for the remaining pairs."""

    def __init__(self, table: list[list[int]], column: int, versions: int, strength: int) -> None:
        self.table = table
        self.column = column
        self.versions = versions
        self.groups = list(combinations(range(column), strength - 1))
        combos = list(product(range(versions), repeat=strength - 1))
        self.missing = {
            (version, group, values) for version in range(versions) for group in self.groups for values in combos
        }

    def run(self) -> None:
        used = [0] * self.versions
        for row in self.table:
            gains = [self._gain(row, version) for version in range(self.versions)]
            best = max(range(self.versions), key=lambda version: (gains[version], -used[version], -version))
            # A cell that covers nothing new stays open for combinations that are still missing at the end.
            row.append(best if gains[best] else _OPEN)
            if gains[best]:
                used[best] += 1
                self._cover(row, best)
        for version, group, values in sorted(self.missing):
            if (version, group, values) in self.missing:
                self._place(version, group, values)

    def _gain(self, row: list[int], version: int) -> int:
        missing = self.missing
        return sum((version, group, tuple([row[at] for at in group])) in missing for group in self.groups)

    def _cover(self, row: list[int], version: int) -> None:
        for group in self.groups:
            self.missing.discard((version, group, tuple([row[at] for at in group])))

    def _place(self, version: int, group: Row, values: Row) -> None:
        wanted = [*zip(group, values, strict=True), (self.column, version)]
        for row in self.table:
            if all(row[at] in (value, _OPEN) for at, value in wanted):
                break
        else:
            row = [_OPEN] * (self.column + 1)
            self.table.append(row)
        for at, value in wanted:
            row[at] = value
        self._cover(row, version)

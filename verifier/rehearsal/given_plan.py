"""A plan that is given as a file, in the place of the one that the matrix and the seed make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verifier.files import read_text
from verifier.rehearsal.edited_plan import with_plans
from verifier.rehearsal.prepare import Prepared


def with_plan(prepared: Sequence[Prepared], file: Path) -> tuple[Prepared, ...]:
    """The pairs of a matrix with the plans of a file, as `plan --format json` and `shrink` write them.

    Raises BadInput if a plan is not for this matrix, with every problem, its line and its key.
    """
    return with_plans(prepared, read_text(file), str(file))

"""What a report format is to the command line and to the run directory: one value, listed in `formats.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verifier.checks.verdict import Judgement
from verifier.history.model import History, Timing
from verifier.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Format:
    """`name` is what `verifier report --format` takes. `render` is pure: equal values give equal text.

    `file` is the name under which every judged run holds the report; "" for a format that is rendered only on request.
    """

    name: str
    render: Callable[[Judgement, History, Plan, Timing], str]
    file: str = ""

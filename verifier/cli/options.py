"""What several commands read from their flags."""

from __future__ import annotations

from verifier.errors import BadInput
from verifier.located import parse_seconds


def seconds(budget: str | None) -> float | None:
    """The --budget flag as seconds. Raises BadInput."""
    if budget is None:
        return None
    found = parse_seconds(budget)
    if found is None:
        raise BadInput.one("--budget", f"must be a duration such as 90s or 5m, not {budget!r}")
    return found

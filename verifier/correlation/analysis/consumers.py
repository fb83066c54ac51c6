"""Values that a request consumes and no earlier response of its session produces."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.correlation.analysis.rules import Flow
from verifier.correlation.text.names import MessageField


@dataclass(frozen=True, slots=True)
class Consumer:
    """A text in the request of step `index` that no earlier response of the session produces.

    `flow` is the rule that names its source, if one does.
    """

    index: int
    text: str
    field: MessageField
    distinctive: bool
    flow: Flow | None = None

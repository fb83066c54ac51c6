"""A recorded waiting: a read that the client repeated until the response showed what it waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from verifier.correlation.conditions import Condition, CountReaches
from verifier.correlation.response_view import OwnValue, ResponseView
from verifier.http.message import Response


@dataclass(frozen=True, slots=True)
class Waiting:
    """A read that the client repeated until the response showed something, or once until it gave up.

    `interval` is the mean recorded distance in seconds, `count` the number of requests, `lasted` the recorded seconds
    from the accepting response, or the first read, to the last one. `until` are the conditions of which all must hold,
    in a response of the status `status`; without any, the recorded client gave up. `passing` are the other statuses
    that it met. `conditional` tells that it repeated the read with the entity tag of the response before.

    `write` is the step that was waited for: an index into the script, None if the session has no write before.
    """

    interval: float
    count: int
    until: tuple[Condition, ...]
    status: int
    lasted: float = 0.0
    passing: tuple[int, ...] = ()
    conditional: bool = False
    write: int | None = None

    def done(self, response: Response) -> bool:
        """Whether a response shows what ended the recorded waiting."""
        if response.status != self.status:
            return False
        shown = ResponseView(response)
        return all(condition.holds(shown) for condition in self.until)

    def of(self, values: Sequence[str], earlier: Mapping[int, Response]) -> Waiting:
        """The waiting of one replay: its values of the slots, and its responses to the steps in `needs`."""
        until = []
        for condition in self.until:
            made = condition.with_values(lambda own: own.of(values))
            if isinstance(made, CountReaches) and made.before is not None and made.before in earlier:
                made = made.counted_from(earlier[made.before])
            until.append(made)
        return replace(self, until=tuple(until))

    @property
    def needs(self) -> frozenset[int]:
        """The steps whose responses in the replay are needed to know what is waited for, and for whom."""
        counts = {condition.before for condition in self.until if isinstance(condition, CountReaches)}
        return frozenset(step for step in (*counts, self.write) if step is not None)

    @property
    def own(self) -> tuple[OwnValue, ...]:
        """The values of the session that the conditions name."""
        return tuple(own for condition in self.until for own in condition.own)

    @property
    def wanted(self) -> str:
        """What is waited for, in a few words."""
        return ", ".join(condition.wanted for condition in self.until)

    def last(self, response: Response) -> str:
        """What a response shows of it: that of the first condition which does not hold, else of all of them."""
        if response.status != self.status:
            return f"status {response.status}"
        shown = ResponseView(response)
        open_ = [condition for condition in self.until if not condition.holds(shown)]
        return ", ".join(condition.last(shown) for condition in open_[:1] or self.until)

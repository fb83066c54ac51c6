"""The result of an analysis: what to send, with its holes, and what to take out of which answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from verifier.correlation.analysis.model import Origin, Poll, Report
from verifier.correlation.execution.player import Player
from verifier.correlation.execution.program import Program, prepare
from verifier.correlation.execution.templates import RequestTemplate, slots
from verifier.correlation.text.times import Moment
from verifier.recording.model import Exchange


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One exchange to send. `name` is "METHOD /path/{}"; `produces` the places whose values later steps use."""

    exchange: Exchange
    name: str
    poll: Poll | None
    unmatched: tuple[Report, ...]
    ambiguous: tuple[Report, ...]
    produces: tuple[str, ...]
    lender: str = ""  # the session that the exchange is borrowed from; "" for one of its own


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that a replay fills in: `fresh` from the start, else learned. `use` names a place that needs it."""

    recorded: str
    fresh: bool = False
    moment: Moment | None = None
    use: str = ""


@dataclass(frozen=True, slots=True)
class Extraction:
    """Take a slot's value out of an answer. Rank 0 is the chosen place; the others stand in where it is empty.

    `equal` marks places as good as the chosen one: should they differ in a replay, the flow is ambiguous.
    `siblings` are the recorded scalars beside a value in a list, by which its element is found again.
    """

    slot: int
    origin: Origin
    rank: int
    equal: bool
    siblings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CookieUse:
    """A recorded Cookie header: its position, and its pairs.

    A pair from the jar has no value of its own (None), one that an answer issued elsewhere has a slot.
    """

    position: int
    pairs: tuple[tuple[str, str | int | None], ...]
    left_out: frozenset[str]  # in the recorded jar, but not sent

    def with_slots(self, learned: Mapping[str, int]) -> CookieUse:
        """The same, with slots for the values of the named cookies."""
        pairs = tuple((name, learned.get(name, value) if value is not None else None) for name, value in self.pairs)
        return CookieUse(self.position, pairs, self.left_out)

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(value for _, value in self.pairs if isinstance(value, int))


@dataclass(frozen=True, slots=True)
class Compiled:
    """A step as the player needs it."""

    template: RequestTemplate | None
    cookie: CookieUse | None
    extractions: tuple[Extraction, ...]
    stores_cookies: bool
    client: str = ""  # whose cookie jar

    @property
    def uses(self) -> frozenset[int]:
        """The slots in its request."""
        used = self.template.uses if self.template is not None else frozenset()
        return used | self.cookie.slots if self.cookie is not None else used


@dataclass(frozen=True, slots=True)
class Script:
    """One session, analysed once and replayed many times. Immutable; share it freely."""

    session: str
    steps: tuple[ScriptStep, ...]
    slots: tuple[Slot, ...]
    compiled: tuple[Compiled, ...]
    began: float
    _program: Program | None = field(default=None, init=False, repr=False, compare=False)

    def depends(self, later: int, earlier: int) -> bool:
        """Whether a step needs an earlier one, so that it cannot be sent before it.

        It does where it uses something of its answer, names what the client made up for it, or is about something
        inside of what it is about: `POST /shelves/a/books` after `PUT /shelves/a`.
        """
        giver, taker = self.compiled[earlier], self.compiled[later]
        given = {extraction.slot for extraction in giver.extractions}
        shared_jar = giver.stores_cookies and taker.cookie is not None and giver.client == taker.client
        if given & taker.uses or shared_jar:
            return True
        before = set().union(*map(self._named, range(earlier)))
        made = {slot for slot in self._named(earlier) - before if self.slots[slot].fresh}
        inside, around = (self.steps[index].exchange.request.path for index in (later, earlier))
        return bool(made & self._named(later)) or inside.startswith(around.rstrip("/") + "/")

    def _named(self, index: int) -> set[int]:
        """The slots in a step's target and body."""
        template = self.compiled[index].template
        return slots(template.target or ()) | slots(template.body or ()) if template is not None else set()

    def player(self, key: str, now: float) -> Player:
        """The state of one replay. `now` is wall-clock seconds since the epoch: what moments are shifted to.

        `key` names the replay: what the client makes up is drawn from it, so equal keys give equal values.
        """
        return Player(self, self.program, key, now)

    @property
    def program(self) -> Program:
        """All that is the same in every replay, made once."""
        program = self._program
        if program is None:
            program = prepare(self)
            object.__setattr__(self, "_program", program)  # derived from the rest: the same whenever it is made
        return program

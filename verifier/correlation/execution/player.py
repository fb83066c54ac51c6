"""One replay of a script: fills the requests' holes and learns from the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.correlation.execution.conflicts import SourceConflicts
from verifier.correlation.execution.jar import Jar
from verifier.correlation.execution.program import Program, StepProgram
from verifier.correlation.execution.templates import one_line
from verifier.http.message import Headers, Request, Response

if TYPE_CHECKING:
    from verifier.correlation.execution.script import CookieUse, Script


class Player:
    """The state of one replay; steps are asked for in order, an answer may be given again (a retry's counts).

    `notes` tell, as (index, kind, message), what the operator should know: what the analysis reported about the
    steps that were sent, and what this replay's answers did not deliver. `kind`: "unmatched" or "ambiguous".

    For the prepared steps: `values` are those of all slots, `unresolved` the slots about which a request that uses
    them has something to say, `needs_encoding` those with a value of other than unreserved characters (one bit each),
    `conflicts` what is known of slots that several places fill.
    """

    __slots__ = ("_jars", "_noted", "_script", "_steps", "conflicts", "needs_encoding", "notes", "unresolved", "values")

    def __init__(self, script: Script, program: Program, key: str, now: float) -> None:
        self.notes: list[tuple[int, str, str]] = []
        self.values = program.begin(key, now - script.began)
        self.unresolved = program.unlearned
        self.needs_encoding = program.needs_encoding
        self.conflicts: SourceConflicts | None = None
        self._script = script
        self._steps = program.steps
        self._noted: set[tuple[int, int]] = set()
        self._jars: dict[str, Jar] | None = None

    def request(self, index: int, more: Headers = ()) -> Request:
        """The request of step `index` with all values of this replay, and `more` headers behind its own."""
        step = self._steps[index]
        if step.reported:
            self._tell_reports(index)
        if self.unresolved & step.uses:
            self._tell_troubles(index, self.unresolved & step.uses)
        made = step.build(self.values, more)
        if step.cookie is None:
            return made
        return self._with_cookies(index, step.cookie, step, made)

    def answer(self, index: int, response: Response) -> tuple[tuple[str, str], ...]:
        """Learn from the answer of step `index`; returns what later steps use, as (runtime expression, value)."""
        step = self._steps[index]
        if step.stores_cookies:
            if self._jars is None:
                self._jars = {}
            jar, asked = self._jars.setdefault(step.client, Jar()), step.recorded
            jar.store(step.host, asked.target, response.headers, asked.headers)
        return () if step.learn is None else step.learn(self, response)

    def _with_cookies(self, index: int, use: CookieUse, step: StepProgram, made: Request) -> Request:
        """The Cookie header: what the client set itself, what this replay's jar holds, in the recorded order."""
        jar = self._jars.get(step.client) if self._jars is not None else None
        held = jar.sent(step.host, made.target) if jar is not None else {}
        pairs = []
        for name, own in use.pairs:
            value = held.pop(name, None) if own is None else one_line(self.values[own]) if isinstance(own, int) else own
            if value is not None:
                pairs.append(f"{name}={value}")
            elif (index, -1) not in self._noted:
                self._noted.add((index, -1))
                self.notes.append(
                    (index, "unmatched", f"no replayed answer has set the cookie {name!r}; it is left out")
                )
        pairs += [f"{name}={value}" for name, value in held.items() if name not in use.left_out]
        headers = made.headers
        text = ((headers[use.position][0], "; ".join(pairs)),) if pairs else ()
        return Request(
            made.method, made.target, headers[: use.position] + text + headers[use.position + 1 :], made.body
        )

    def _tell_reports(self, index: int) -> None:
        step = self._script.steps[index]
        if (index, -2) not in self._noted:
            self._noted.add((index, -2))
            self.notes += [(index, report.kind, str(report)) for report in (*step.unmatched, *step.ambiguous)]

    def _tell_troubles(self, index: int, unresolved: int) -> None:
        for number in range(unresolved.bit_length()):
            if not unresolved >> number & 1 or (index, number) in self._noted:
                continue
            self._noted.add((index, number))
            use = self._script.slots[number].use
            kind, message = "unmatched", f"no replayed answer carries the value for {use}; sent as recorded"
            if self.conflicts is not None and number in self.conflicts.differing:
                kind, message = "ambiguous", self.conflicts.ambiguity(number, self.values[number], use)
            self.notes.append((index, kind, message))

"""One replay of a script: fills the holes of the requests and learns from the responses."""

from __future__ import annotations

from verifier.correlation.cookie_jar import CookieJar
from verifier.correlation.execution.extraction import Produced
from verifier.correlation.execution.program import Program
from verifier.correlation.execution.state import ReplayState
from verifier.correlation.model import CookieTemplate
from verifier.correlation.template import one_line
from verifier.http.message import Headers, Request, Response

# What a note is about where it is about no slot.
_COOKIES = -1
_REPORTS = -2


class Player(ReplayState):
    """One replay. Steps are played in order; a response may be learned from again (that of a retry counts).

    `key` names the replay: what the client makes up is drawn from it, so equal keys give equal values. `now` is
    wall-clock seconds since the epoch: recorded moments are shifted to it.

    `notes` are what the operator should know, as (index, kind, message): what the analysis reported about the steps
    that were sent, and which values this replay's responses did not deliver. `kind` is "unmatched" or "ambiguous".
    """

    __slots__ = ("_jars", "_noted", "_program", "notes")

    def __init__(self, program: Program, key: str, now: float) -> None:
        super().__init__(program.begin(key, now - program.script.began), program.unlearned, program.needs_encoding)
        self.notes: list[tuple[int, str, str]] = []
        self._program = program
        self._noted: set[tuple[int, int]] = set()
        self._jars: dict[str, CookieJar] | None = None

    def request(self, index: int, more: Headers = ()) -> Request:
        """The request of step `index` with all values of this replay, and `more` headers behind its own."""
        program = self._program
        step = program.steps[index]
        if step.unmatched or step.ambiguous:
            self._note_reports(index)
        if self.unresolved & program.waits[index]:
            self._note_unresolved(index, self.unresolved & program.waits[index])
        request = program.build[index](self.values, more)
        if step.cookie is None:
            return request
        return self._with_cookies(index, step.cookie, request)

    def learn(self, index: int, response: Response) -> Produced:
        """Learn from the response of step `index`; returns what later steps use, as (runtime expression, value)."""
        self._keep_cookies(index, response)
        learn = self._program.learn[index]
        return () if learn is None else learn(self, response)

    def again(self, index: int, response: Response) -> Request:
        """The request of step `index` once more, with the cookies that the response to it has set or deleted."""
        self._keep_cookies(index, response)
        self._noted.add((index, _COOKIES))  # a cookie that is deleted is no longer missing
        return self.request(index)

    def _keep_cookies(self, index: int, response: Response) -> None:
        step = self._program.steps[index]
        if step.stores_cookies:
            if self._jars is None:
                self._jars = {}
            jar, exchange = self._jars.setdefault(step.lender, CookieJar()), step.exchange
            jar.store(exchange.host, exchange.request.target, response.headers, exchange.request.headers)

    def _with_cookies(self, index: int, cookie: CookieTemplate, request: Request) -> Request:
        """The Cookie header: what the client set itself, what this replay's jar holds, in the recorded order."""
        step = self._program.steps[index]
        jar = self._jars.get(step.lender) if self._jars is not None else None
        held = jar.sent(step.exchange.host, request.target) if jar is not None else {}
        pairs = []
        for name, own in cookie.pairs:
            value = held.pop(name, None) if own is None else one_line(self.values[own]) if isinstance(own, int) else own
            if value is not None:
                pairs.append(f"{name}={value}")
            elif (index, _COOKIES) not in self._noted:
                self._noted.add((index, _COOKIES))
                message = f"no replayed response has set the cookie {name!r}; it is left out"
                self.notes.append((index, "unmatched", message))
        pairs += [f"{name}={value}" for name, value in held.items() if name not in cookie.left_out]
        before, after = request.headers[: cookie.position], request.headers[cookie.position + 1 :]
        header = ((request.headers[cookie.position][0], "; ".join(pairs)),) if pairs else ()
        return Request(request.method, request.target, before + header + after, request.body)

    def _note_reports(self, index: int) -> None:
        step = self._program.steps[index]
        if (index, _REPORTS) not in self._noted:
            self._noted.add((index, _REPORTS))
            self.notes += [(index, report.kind, str(report)) for report in (*step.unmatched, *step.ambiguous)]

    def _note_unresolved(self, index: int, unresolved: int) -> None:
        for slot in range(unresolved.bit_length()):
            if not unresolved >> slot & 1 or (index, slot) in self._noted:
                continue
            self._noted.add((index, slot))
            use = self._program.script.slots[slot].use
            kind, message = "unmatched", f"no replayed response carries the value for {use}; sent as recorded"
            if self.conflicts is not None and slot in self.conflicts.differing:
                kind, message = "ambiguous", self.conflicts.ambiguity(slot, self.values[slot], use)
            self.notes.append((index, kind, message))

"""What a waiting client waits for: conditions on the response to a read that it repeats.

A condition comes from a recording and is asked of the responses of a replay. A value of the session that it names is
then the replay's own value, so that entries of other replays in the same list neither fulfil nor prevent it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from verifier.correlation.text.json import as_text, read_json
from verifier.http.message import Response
from verifier.pointers import MISSING

_PLAIN = re.compile(r"[A-Za-z0-9_.\-~]+")
_LONGEST_SHOWN = 80  # characters of a value in a report


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A value of the session by which a client knows its own entry.

    `text` is the recorded value, or that of a replay once `of` has filled it in from `slot`. A value that proves
    nothing by itself, such as 7, counts only as a whole and in a member called `member`; "" is any place.
    """

    text: str
    member: str = ""
    slot: int | None = None

    def of(self, values: Sequence[str]) -> OwnValue:
        """The value of one replay, given those of all slots."""
        return self if self.slot is None else OwnValue(values[self.slot], self.member)

    def stands_in(self, member: str, text: str) -> bool:
        return text == self.text and member == self.member if self.member else self.text in text


Path = tuple["str | OwnValue", ...]  # names of members; an own value selects the member or element that carries it


class Shown:
    """One response as a condition reads it. Each form of the body is made when it is first needed."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.body = response.body

    @cached_property
    def document(self) -> Any:
        """The body as a JSON document; MISSING if it is none."""
        return read_json(self.body)

    @cached_property
    def leaves(self) -> tuple[tuple[str, str, bool], ...]:
        """Each scalar of the document, and each name of a member: its member, its text, whether it is in a list.

        The names of members count as listed, because a mapping by identifier is a list of entries.
        """
        return tuple(_leaves(self.document, "", False))

    @cached_property
    def text(self) -> str:
        text = self.body.decode("utf-8", "replace")
        return html.unescape(text) if "&" in text and "<" in text else text

    def count(self, own: OwnValue, listed: bool) -> int:
        """How many places show a value; `listed` counts those in lists of a JSON document only."""
        if _PLAIN.fullmatch(own.text) and own.text.encode() not in self.body:
            return 0
        if self.document is MISSING:
            return len(re.findall(rf"(?<!\w){re.escape(own.text)}(?!\w)", self.text))
        return sum(1 for member, text, inside in self.leaves if (inside or not listed) and own.stands_in(member, text))


def _leaves(value: Any, member: str, listed: bool) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield "", name, True
            yield from _leaves(inner, name, listed)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, member, True)
    elif (text := as_text(value)) is not None:
        yield member, text, listed


def follow(document: Any, path: Path) -> Any:
    """The value at a path in a JSON document; MISSING where there is none."""
    value = document
    for token in path:
        if isinstance(value, dict):
            names = [token] if isinstance(token, str) else [name for name in value if token.stands_in("", name)]
            value = next((value[name] for name in names if name in value), MISSING)
        elif isinstance(value, list) and isinstance(token, OwnValue):
            value = next((entry for entry in value if carries(entry, token)), MISSING)
        else:
            return MISSING
    return value


def carries(entry: Any, own: OwnValue) -> bool:
    """Whether an element of a list has a value somewhere in it."""
    return any(own.stands_in(member, text) for member, text, _ in _leaves(entry, "", True))


def _written(path: Path) -> str:
    return "".join(f".{token}" if isinstance(token, str) else f"[{brief(token.text)}]" for token in path)


def brief(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


@dataclass(frozen=True, slots=True)
class FieldReaches:
    """A member of a JSON document has a value: `text`, or for "set" something, or for "unset" nothing.

    Null, an empty text and a missing member are nothing.
    """

    path: Path
    becomes: Literal["text", "set", "unset"]
    text: str = ""

    kind = "field"

    def holds(self, shown: Shown) -> bool:
        found = follow(shown.document, self.path)
        if self.becomes == "unset":
            return found in (None, "") or (
                found is MISSING and isinstance(follow(shown.document, self.path[:-1]), dict)
            )
        return found not in (MISSING, None, "") if self.becomes == "set" else as_text(found) == self.text

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> FieldReaches:
        return replace(self, path=_changed(self.path, change))

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return tuple(token for token in self.path if isinstance(token, OwnValue))

    @property
    def wanted(self) -> str:
        how = {"text": f"= {brief(self.text)}", "set": "is set", "unset": "is unset"}
        return f"${_written(self.path)} {how[self.becomes]}"

    def last(self, shown: Shown) -> str:
        found = follow(shown.document, self.path)
        text = as_text(found)
        if text is not None:
            return brief(text)
        return "nothing" if found is MISSING else "null" if found is None else "set"


@dataclass(frozen=True, slots=True)
class EntryAppears:
    """More places than `places` show a value of the session; `listed` counts places in lists only."""

    value: OwnValue
    places: int = 0
    listed: bool = True

    kind = "appears"

    def holds(self, shown: Shown) -> bool:
        return shown.count(self.value, self.listed) > self.places

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> EntryAppears:
        return replace(self, value=change(self.value))

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return (self.value,)

    @property
    def wanted(self) -> str:
        return f"entry {brief(self.value.text)} appears"

    def last(self, shown: Shown) -> str:
        return "entry present" if self.holds(shown) else "entry absent"


@dataclass(frozen=True, slots=True)
class EntryLeaves:
    """No more places than `places` show a value of the session; `listed` counts places in lists only."""

    value: OwnValue
    places: int = 0
    listed: bool = True

    kind = "leaves"

    def holds(self, shown: Shown) -> bool:
        return shown.count(self.value, self.listed) <= self.places

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> EntryLeaves:
        return replace(self, value=change(self.value))

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return (self.value,)

    @property
    def wanted(self) -> str:
        return f"entry {brief(self.value.text)} leaves"

    def last(self, shown: Shown) -> str:
        return "entry absent" if self.holds(shown) else "entry present"


@dataclass(frozen=True, slots=True)
class CountReaches:
    """A number, or the length of a list, has risen (or fallen) to `limit`.

    The store of a replay may hold more than that of the recording. Where the session read the same before its write,
    as its step `before`, the count has to change by `change` from what that read showed.
    """

    path: Path
    limit: float
    rises: bool
    change: float = 0.0
    before: int | None = None

    kind = "count"

    def holds(self, shown: Shown) -> bool:
        count = count_at(shown, self.path)
        return count is not None and (count >= self.limit if self.rises else count <= self.limit)

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> CountReaches:
        return replace(self, path=_changed(self.path, change))

    def counted_from(self, response: Response) -> CountReaches:
        """The count of a replay whose response to the step `before` was this."""
        start = count_at(Shown(response), self.path)
        return self if start is None else replace(self, limit=start + self.change)

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return tuple(token for token in self.path if isinstance(token, OwnValue))

    @property
    def wanted(self) -> str:
        return f"count of ${_written(self.path)} {'>=' if self.rises else '<='} {self.limit:g}"

    def last(self, shown: Shown) -> str:
        count = count_at(shown, self.path)
        return "nothing" if count is None else f"{count:g}"


@dataclass(frozen=True, slots=True)
class StatusIs:
    """The response has this status."""

    status: int

    kind = "status"

    def holds(self, shown: Shown) -> bool:
        return shown.status == self.status

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> StatusIs:
        return self

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return ()

    @property
    def wanted(self) -> str:
        return f"status {self.status}"

    def last(self, shown: Shown) -> str:
        return f"status {shown.status}"


Condition = FieldReaches | EntryAppears | EntryLeaves | CountReaches | StatusIs


def _changed(path: Path, change: Callable[[OwnValue], OwnValue]) -> Path:
    return tuple(token if isinstance(token, str) else change(token) for token in path)


def count_at(shown: Shown, path: Path) -> float | None:
    """The number at a path, or the length of the list there; None where there is neither."""
    found = follow(shown.document, path)
    if isinstance(found, list):
        return len(found)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


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
        shown = Shown(response)
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
        shown = Shown(response)
        open_ = [condition for condition in self.until if not condition.holds(shown)]
        return ", ".join(condition.last(shown) for condition in open_[:1] or self.until)

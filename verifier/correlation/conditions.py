"""What a waiting client waits for: conditions on the response to a read that it repeats.

A condition comes from a recording and is asked of the responses of a replay. A value of the session that it names is
then the replay's own value, so that entries of other replays in the same list neither fulfil nor prevent it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from verifier.correlation.response_view import OwnValue, Path, ResponseView, follow
from verifier.correlation.text.json import as_text
from verifier.http.message import Response
from verifier.pointers import MISSING

_LONGEST_SHOWN = 80  # characters of a value in a report


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

    def holds(self, shown: ResponseView) -> bool:
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

    def last(self, shown: ResponseView) -> str:
        found = follow(shown.document, self.path)
        text = as_text(found)
        if text is not None:
            return brief(text)
        return "nothing" if found is MISSING else "null" if found is None else "set"


@dataclass(frozen=True, slots=True)
class EntryAppears:
    """More places than `places` show a value of the session; `listed` counts places in lists only.

    With `leaves`, no more places than that show it.
    """

    value: OwnValue
    places: int = 0
    listed: bool = True
    leaves: bool = False

    @property
    def kind(self) -> str:
        return "leaves" if self.leaves else "appears"

    def holds(self, shown: ResponseView) -> bool:
        return self._is_there(shown) is not self.leaves

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> EntryAppears:
        return replace(self, value=change(self.value))

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return (self.value,)

    @property
    def wanted(self) -> str:
        return f"entry {brief(self.value.text)} {self.kind}"

    def last(self, shown: ResponseView) -> str:
        return "entry present" if self._is_there(shown) else "entry absent"

    def _is_there(self, shown: ResponseView) -> bool:
        return shown.count(self.value, self.listed) > self.places


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

    def holds(self, shown: ResponseView) -> bool:
        count = count_at(shown, self.path)
        return count is not None and (count >= self.limit if self.rises else count <= self.limit)

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> CountReaches:
        return replace(self, path=_changed(self.path, change))

    def counted_from(self, response: Response) -> CountReaches:
        """The count of a replay whose response to the step `before` was this."""
        start = count_at(ResponseView(response), self.path)
        return self if start is None else replace(self, limit=start + self.change)

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return tuple(token for token in self.path if isinstance(token, OwnValue))

    @property
    def wanted(self) -> str:
        return f"count of ${_written(self.path)} {'>=' if self.rises else '<='} {self.limit:g}"

    def last(self, shown: ResponseView) -> str:
        count = count_at(shown, self.path)
        return "nothing" if count is None else f"{count:g}"


@dataclass(frozen=True, slots=True)
class StatusIs:
    """The response has this status."""

    status: int

    kind = "status"

    def holds(self, shown: ResponseView) -> bool:
        return shown.status == self.status

    def with_values(self, change: Callable[[OwnValue], OwnValue]) -> StatusIs:
        return self

    @property
    def own(self) -> tuple[OwnValue, ...]:
        return ()

    @property
    def wanted(self) -> str:
        return f"status {self.status}"

    def last(self, shown: ResponseView) -> str:
        return f"status {shown.status}"


Condition = FieldReaches | EntryAppears | CountReaches | StatusIs


def _changed(path: Path, change: Callable[[OwnValue], OwnValue]) -> Path:
    return tuple(token if isinstance(token, str) else change(token) for token in path)


def count_at(shown: ResponseView, path: Path) -> float | None:
    """The number at a path, or the length of the list there; None where there is neither."""
    found = follow(shown.document, path)
    if isinstance(found, list):
        return len(found)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None

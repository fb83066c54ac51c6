"""What one version handed out and the client showed to another: sessions, form tokens, cursors, entity tags, ids.

A refusal is hard to understand from the refused request alone; who gave it what it carries explains it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from verifier.checks.context import Context
from verifier.history.model import Operation

READERS = frozenset({"replay", "live", "poll"})
Place = tuple[str, str, str]  # step, replay, service
_SHORTEST = 3  # characters by which a value that was handed out is recognised in a request


class Provenance:
    """The answers of each replay, in order, looked at only where a request has to be explained."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def by_another(self, operation: Operation) -> Operation | None:
        """The latest earlier answer of another version in the same replay whose values a request carries.

        Who is not let in, or is sent to log in, showed the wrong session: there cookies are looked at before all else.
        """
        earlier = [
            entry
            for entry in reversed(self._context.once(_answers).get(_place(operation), ()))
            if entry.ended <= operation.started and entry.version != operation.version
        ]
        carried = _carried(operation)
        status = operation.response.status if operation.response else 0
        kinds = (_cookies, _values) if status in (401, 403) or status // 100 == 3 else (_values, _cookies)
        return next(
            (entry for kind in kinds for entry in earlier if any(_holds(carried, value) for value in kind(entry))), None
        )


def _answers(context: Context) -> dict[Place, list[Operation]]:
    found: dict[Place, list[Operation]] = defaultdict(list)
    for operation in context.groups.operations(lambda group: group.answered and group.source in READERS):
        found[_place(operation)].append(operation)
    return found


def _place(operation: Operation) -> Place:
    return (operation.step, operation.replay, operation.service)


def _values(operation: Operation) -> Iterator[str]:
    return (value for _, value in operation.produced)


def _cookies(operation: Operation) -> Iterator[str]:
    for name, value in operation.response.headers if operation.response else ():
        if name.lower() == "set-cookie":
            yield value.partition(";")[0].partition("=")[2].strip()


def _carried(operation: Operation) -> str:
    request = operation.request
    headers = "\n".join(value for _, value in request.headers)
    return f"{request.target}\n{headers}\n{request.body.decode('latin-1')}"


def _holds(carried: str, value: str) -> bool:
    if len(value) < _SHORTEST or value not in carried:
        return False
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", carried))

"""Whether the recording fits the old version: each session has to run to its end, as recorded, in some control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from verifier.checks.context import Context
from verifier.history.model import Operation
from verifier.plan.model import ExchangeShape, Plan

HINTS = ("credentials", "computed")  # notes that say what the matrix must say, so that a request is accepted
Place = tuple[str, str]  # step and replay
Exchanges = Sequence[ExchangeShape]


def misfits(context: Context, plan: Plan) -> Iterator[str]:
    """A sentence for whatever no undisturbed replay in a control of all old answered as recorded.

    It compares the recorded status class of each exchange with that of the response the client saw last, over all of
    these replays: one that fits is enough. A replay stops at the first misfit that something later needs; the session
    is told. Other misfits are left out by themselves: they are told once for all sessions, with the line that excludes
    them. Both are told with what the matrix may have to say, so that the request is accepted. A step in which the run
    was stopped tells nothing. A plan stored by a version that did not keep what was recorded (`Plan.sessions` empty) is
    judged by how far the replays came alone. It can be wrong where a response depends on chance: then some replay fits.
    """
    shapes = {session.id: session.exchanges for session in plan.sessions}
    completed = {step.id for step in context.history.steps if not step.stopped}
    planned = {
        (step.id, replay.id): replay
        for path in plan.paths
        for step in (path.steps if path.kind == "control-old" else ())
        for replay in step.replays
        if replay.fault is None and step.id in completed
    }
    seen = _last_seen(context, {place: shapes.get(replay.session, ()) for place, replay in planned.items()})
    sessions: dict[str, list[Place]] = {}
    for place, replay in planned.items():
        sessions.setdefault(replay.session, []).append(place)
    left_out: dict[str, tuple[str, set[str]]] = {}
    hints = {note.operation: note.message for note in context.history.notes if note.kind in HINTS}
    for session, places in sessions.items():
        exchanges, wanted = shapes.get(session, ()), len(planned[places[0]].route)
        responses = [seen.get(place, {}) for place in places]
        for index in range(wanted):
            if any(_fits(known, index, exchanges, wanted) for known in responses):
                continue
            came = next((known[index] for known in responses if index in known), None)
            if came is None or max(map(max, filter(None, responses))) == index:
                yield _stopped(session, index, wanted, exchanges, came) + _hint(hints, responses, index)
                break
            how = _how(index, exchanges, came) + _hint(hints, responses, index)
            left_out.setdefault(_pattern(came, exchanges), (how, set()))[1].add(session)
    for pattern, (how, concerned) in left_out.items():
        count = f"{len(concerned)} session{'s' if len(concerned) > 1 else ''}"
        yield (
            f"an exchange of {count} was left out, because the old version does not answer it as recorded{how}; "
            f'exclude: ["{pattern}"] leaves it out of the recording'
        )


def _hint(hints: Mapping[str, str], responses: Sequence[Mapping[int, Operation]], index: int) -> str:
    """What a note says about one of the requests of an exchange."""
    found = (hints.get(known[index].id) for known in responses if index in known)
    return next((f"; the request {hint}" for hint in found if hint), "")


def _stopped(session: str, index: int, wanted: int, exchanges: Exchanges, came: Operation | None) -> str:
    last = came is not None and came.response is not None and index + 1 == wanted
    hint = f'; exclude: ["{_pattern(came, exchanges)}"] leaves it out' if came is not None and last else ""
    return (
        f"session {session} stopped at exchange {index + 1} of {wanted} in every control: "
        f"the old version does not answer it as recorded{_how(index, exchanges, came)}{hint}"
    )


def _last_seen(context: Context, shapes: dict[Place, Exchanges]) -> dict[Place, dict[int, Operation]]:
    """For each of these replays, by exchange, the operation whose response the client saw last.

    It goes on with the last attempt's; of a read that was recorded as polling with the last poll's, if that had one.
    """
    found: dict[Place, dict[int, Operation]] = {}
    steps = {step for step, _ in shapes}
    for operation in context.groups.operations(
        lambda group: group.step in steps and group.source in ("replay", "poll")
    ):
        place = (operation.step, operation.replay)
        if place not in shapes:
            continue
        known, index = found.setdefault(place, {}), operation.index
        if operation.source == "replay":
            known[index] = operation
        elif operation.source == "poll" and index in known:
            exchanges = shapes[place]
            if index < len(exchanges) and exchanges[index].polled:
                answered = operation.response is not None
                known[index] = operation if answered else context.by_id.get(operation.parent, known[index])
    return found


def _fits(known: dict[int, Operation], index: int, exchanges: Exchanges, wanted: int) -> bool:
    """Whether one replay shows that an exchange is answered as recorded."""
    operation = known.get(index)
    if operation is None or operation.response is None:
        return False
    recorded = exchanges[index].recorded if index < len(exchanges) else 0
    if not recorded:  # only a last exchange may have been as recorded: after any other one the replay would go on
        return max(known) > index or index + 1 == wanted
    return operation.response.status // 100 == recorded // 100


def _pattern(operation: Operation, exchanges: Exchanges) -> str:
    """The pattern that excludes an exchange; values that differ between replays become `*`."""
    name = exchanges[operation.index].name if operation.index < len(exchanges) else ""
    if name.startswith(f"{operation.request.method} /"):
        return name.replace("{}", "*")
    return f"{operation.request.method} {operation.request.path}"


def _how(index: int, exchanges: Sequence[ExchangeShape], seen: Operation | None) -> str:
    """What was recorded and what came instead."""
    recorded = exchanges[index].recorded if index < len(exchanges) else 0
    if seen is None or seen.index != index:
        name = exchanges[index].name if recorded else ""
        return f" ({name}: recorded {recorded}, never sent)" if recorded else " (never sent)"
    came = str(seen.response.status) if seen.response is not None else seen.error or "no answer"
    return f" ({seen.name}: {f'recorded {recorded}, ' if recorded else ''}came {came})"

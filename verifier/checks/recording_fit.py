"""Whether the recording fits the old version: each session has to run to its end, as recorded, in some control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.checks.context import Context
from verifier.history.model import Operation
from verifier.plan.model import ExchangeShape, Plan

Place = tuple[str, str]  # step and replay


def misfits(context: Context, plan: Plan) -> Iterator[str]:
    """A sentence for each session that no undisturbed replay in a control of all old brought to its end as recorded.

    A replay stops at the first answer of another status class than the recorded one, so what was followed by another
    exchange was answered as recorded; the status of the last answer is compared here. A plan stored by a version
    that did not keep what was recorded (`Plan.sessions` empty) is judged by how far the replays came alone.
    """
    shapes = {session.id: session.exchanges for session in plan.sessions}
    planned = {
        (step.id, replay.id): replay
        for path in plan.paths
        for step in (path.steps if path.kind == "control-old" else ())
        for replay in step.replays
        if replay.fault is None and step.id in context.steps
    }
    last = _last_seen(context, {place: shapes.get(replay.session, ()) for place, replay in planned.items()})
    furthest: dict[str, tuple[int, int, Operation | None]] = {}
    for place, replay in planned.items():
        seen, wanted = last.get(place), len(replay.route)
        fitting = _fitting(seen, shapes.get(replay.session, ()), wanted)
        if replay.session not in furthest or fitting > furthest[replay.session][0]:
            furthest[replay.session] = (fitting, wanted, seen)
    for session, (fitting, wanted, seen) in furthest.items():
        if fitting < wanted:
            yield (
                f"session {session} stopped at exchange {fitting + 1} of {wanted} in every control: "
                f"the old version does not answer it as recorded{_how(fitting, shapes.get(session, ()), seen)}"
            )


def _last_seen(context: Context, shapes: dict[Place, tuple[ExchangeShape, ...]]) -> dict[Place, Operation]:
    """For each of these replays the operation whose answer the client saw last, of the furthest exchange it sent.

    It goes on with the last attempt's; of a read that was recorded as polling with the last poll's, if that had one.
    """
    found: dict[Place, Operation] = {}
    for operation in context.history.operations:
        place = (operation.step, operation.replay)
        if place not in shapes:
            continue
        before = found.get(place)
        if operation.source == "replay":
            if before is None or operation.index >= before.index:
                found[place] = operation
        elif operation.source == "poll" and before is not None and operation.index == before.index:
            exchanges = shapes[place]
            if operation.index < len(exchanges) and exchanges[operation.index].polled:
                answered = operation.response is not None
                found[place] = operation if answered else context.by_id.get(operation.parent, before)
    return found


def _fitting(seen: Operation | None, exchanges: Sequence[ExchangeShape], wanted: int) -> int:
    """How many exchanges, from the first on, were answered as recorded."""
    if seen is None:
        return 0
    before, recorded = seen.index, exchanges[seen.index].recorded if seen.index < len(exchanges) else 0
    if seen.response is None:
        return before
    if not recorded:  # only a last exchange may have been as recorded: after any other one the replay would go on
        return before + (before + 1 == wanted)
    return before + (seen.response.status // 100 == recorded // 100)


def _how(index: int, exchanges: Sequence[ExchangeShape], seen: Operation | None) -> str:
    """What was recorded and what came instead."""
    recorded = exchanges[index].recorded if index < len(exchanges) else 0
    if seen is None or seen.index != index:
        name = exchanges[index].name if recorded else ""
        return f" ({name}: recorded {recorded}, never sent)" if recorded else " (never sent)"
    came = str(seen.response.status) if seen.response is not None else seen.error or "no answer"
    return f" ({seen.name}: {f'recorded {recorded}, ' if recorded else ''}came {came})"

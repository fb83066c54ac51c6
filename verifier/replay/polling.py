"""Declared work: what a response has promised, and where to ask for it. Accepted does not mean completed."""

from __future__ import annotations

from verifier.contracts.completion import Completes
from verifier.history.model import Operation
from verifier.http.message import Headers, Request, Response
from verifier.replay.awaited import AwaitedWork, Goal
from verifier.replay.backlog import Backlog
from verifier.replay.context import Attempt, ReplayContext, same_origin


def declared_completion(context: ReplayContext, operation: Operation) -> Completes | None:
    """The declaration that an operation has accepted work under; None where it has accepted none."""
    completes = context.registry.completes(operation.service, operation.version, operation.name)
    if completes is None or operation.response is None or operation.response.status != completes.accepted:
        return None
    return completes


def accepted_work(
    context: ReplayContext, attempt: Attempt, operation: Operation, backlog: Backlog
) -> AwaitedWork | None:
    """The declared work that the response of an operation has promised; None where it has promised none."""
    completes = declared_completion(context, operation)
    if completes is None:
        return None
    address = completes.poll.value(operation.request, operation.response)
    if address is None:
        return None
    target = same_origin(address, operation.request.target)
    request = Request("GET", target, _identifying_headers(operation.request.headers))
    recovers = context.registry.recovers(operation.service, operation.version, operation.name)
    within = recovers if recovers is not None and context.waiting_times.after_kill else completes.within
    goal = _goal(completes, within, request, (operation.request, operation.response))
    return AwaitedWork(attempt, operation, operation, request, goal, backlog.kind)


def _goal(completes: Completes, within: float, request: Request, accepted: tuple[Request, Response | None]) -> Goal:
    def state(response: Response) -> str | None:
        return completes.shown(accepted, (request, response))

    return Goal(
        done=lambda response: response.status < 300 and state(response) in completes.final,
        shown=lambda response: found if (found := state(response)) is not None else f"status {response.status}",
        wanted=f"{completes.state.text} = {' or '.join(completes.final)}",
        bound=within,
        declared=True,
    )


def _identifying_headers(headers: Headers) -> Headers:
    """The headers that identify the client, without those that describe a body or make the request unique."""
    kept = ("authorization", "cookie", "accept", "accept-language", "user-agent")
    return tuple((name, value) for name, value in headers if name.lower() in kept)

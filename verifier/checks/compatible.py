"""Compatible: answers fit the contract of the version that served them and of the client that asked.

Nothing declared is still something checked: the controls are the specification. An operation must be answered
with a status class that the old version's controls showed at the same place, and with a body of the same shape.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from verifier.checks.context import CLIENT, Context, called
from verifier.checks.shapes import Shape
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.conform import Conformance, Mismatch
from verifier.contracts.expressions import MISSING, body_json
from verifier.history.message import Response
from verifier.history.model import Operation

GUARANTEE = "compatible"
Place = tuple[str, int, str, str]


class Baseline:
    """What the old version did by itself, learned from the controls with all old."""

    def __init__(self, context: Context) -> None:
        self.classes: dict[Place, set[int]] = defaultdict(set)
        self.shapes: dict[tuple[str, str, int], Shape] = defaultdict(Shape)
        for operation in context.client_operations():
            step = context.steps.get(operation.step)
            if step is None or step.phase != "control-old" or operation.response is None:
                continue
            self.classes[place(context, operation)].add(operation.response.status // 100)
            body = body_json(operation.response.body)
            if body is not MISSING and operation.response.status < 300:
                self.shapes[shape_key(operation, operation.response)].learn(body)


def place(context: Context, operation: Operation) -> Place:
    """Where in the traffic an answer belongs; live traffic belongs where undisturbed replays do."""
    source = "replay" if operation.source == "live" else operation.source
    return (operation.session, operation.index, source, context.family(operation))


def shape_key(operation: Operation, response: Response) -> tuple[str, str, int]:
    return (operation.service, operation.name, response.status // 100)


def check(context: Context) -> CheckResult:
    result = CheckResult(GUARANTEE)
    baseline = Baseline(context)
    validators = _Validators(context)
    for operation in context.history.operations:
        if operation.response is None or operation.response.status >= 500:
            continue
        if operation.source in CLIENT:
            result.ran(operation.step, operation.service, operation.name)
            result.findings += _against_controls(context, operation, operation.response, baseline)
            result.findings += validators.answer(operation, operation.response)
        elif operation.source in ("inner", "partner"):
            result.ran(operation.step, operation.service, operation.name)
            result.findings += validators.inner(operation, operation.response)
    return result


def _against_controls(
    context: Context, operation: Operation, response: Response, baseline: Baseline
) -> Iterable[Finding]:
    known = baseline.classes.get(place(context, operation))
    status = response.status // 100
    if known and status not in known:
        was = " or ".join(f"{entry}xx" for entry in sorted(known))
        if operation.source != "sweep":  # a sweep that finds nothing is a lost write, and is told there
            yield _finding(context, operation, f"{called(operation)}; the old version answers {was}", f"{status}xx")
        return
    body = body_json(response.body)
    shape = baseline.shapes.get(shape_key(operation, response))
    if shape is None or body is MISSING or status != 2:
        return
    for pointer, what in shape.misfits(body):
        message = f"{called(operation)}: {pointer or 'the body'} {what} in the answers of the old version alone"
        yield _finding(context, operation, message, f"shape {pointer}")


def _finding(context: Context, operation: Operation, message: str, detail: str) -> Finding:
    live = context.live(operation.step, operation.service)
    return Finding(
        guarantee=GUARANTEE,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {operation.version} | live),
        message=message,
        experience="a page that no longer loads",
        evidence=(operation.id,),
        detail=detail,
        family=context.family(operation),
    )


class _Validators:
    """Validators for the contracts of a run, compiled once; `client` is the version whose client was recorded."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = dict(context.history.run.client_versions)
        self._old = {entry.name: entry.old for entry in context.history.run.services}
        self._known: dict[tuple[str, str], Conformance | None] = {}

    def _of(self, service: str, version: str) -> Conformance | None:
        key = (service, version)
        if key not in self._known:
            contract = self._context.promises.contract(service, version)
            self._known[key] = Conformance(contract) if contract is not None else None
        return self._known[key]

    def answer(self, operation: Operation, response: Response) -> Iterable[Finding]:
        held = [operation.version, self._client.get(operation.service, "")]
        yield from self._each(operation, response, held)

    def inner(self, operation: Operation, response: Response) -> Iterable[Finding]:
        """Inner calls: the caller was built for the provider that it was released with."""
        own = self._of(operation.service, operation.version)
        for mismatch in own.request(operation.request) if own else ():
            caller = f"{operation.caller} {operation.caller_version}"
            yield self._mismatch(operation, mismatch, f"the request of {caller}", operation.version)
        built_for = self._old.get(operation.service, "") if operation.caller_version in self._old.values() else ""
        yield from self._each(operation, response, [operation.version, built_for])

    def _each(self, operation: Operation, response: Response, versions: list[str]) -> Iterable[Finding]:
        for version in dict.fromkeys(versions):
            conformance = self._of(operation.service, version)
            for mismatch in conformance.answer(operation.request, response) if conformance else ():
                yield self._mismatch(operation, mismatch, "the answer", version)

    def _mismatch(self, operation: Operation, mismatch: Mismatch, what: str, version: str) -> Finding:
        name = f"{operation.service} {version}".strip()
        where = f" at {mismatch.pointer}" if mismatch.pointer else ""
        message = f"{called(operation)}: {what} breaks the contract of {name}{where}: {mismatch.message}"
        return _finding(self._context, operation, message, f"{mismatch.rule} {mismatch.pointer} of {version}")

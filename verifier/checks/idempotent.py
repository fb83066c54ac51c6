"""Idempotent: one key, one effect, and answers that agree. Violated, the user is charged twice.

Nothing declared is still something checked: requests with an `Idempotency-Key` say themselves what they expect
(`repeated_keys.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from verifier.checks import repeated_keys
from verifier.checks.context import Context, called, is_work
from verifier.checks.groups import Group
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding
from verifier.contracts.expressions import Expression, parse
from verifier.contracts.guarantees import Effect, OperationGuarantees
from verifier.history.model import Operation
from verifier.plan.model import Plan

GUARANTEE = "idempotent"


def check(context: Context, plan: Plan) -> CheckResult:
    """Looks at every key that was sent more than once: its effects, and the values that answers identify."""
    result = CheckResult(GUARANTEE)
    for (_, declared), attempts in attempts_by_key(context):
        if len(attempts) < 2:
            continue
        first = attempts[0]
        result.ran(attempts[-1].step, first.service, first.name)
        doubled = [entry for effect in declared.effects for entry in _more_than_one(context, effect, attempts)]
        answers = _disagreeing(context, declared, attempts)
        if not doubled and not answers:
            continue
        result.findings.append(_finding(context, attempts, doubled, answers))
    result.add(_undeclared(context))
    return result


def _undeclared(context: Context) -> CheckResult:
    result, repeated = CheckResult(GUARANTEE), context.once(repeated_keys.repeated)
    known = context.once(repeated_keys.learn)
    for attempts in repeated:
        differing = repeated_keys.disagreeing(context, known, attempts)
        if differing is None:
            continue
        result.ran(attempts[-1].step, *repeated_keys.name_of(attempts))
        if differing:
            result.findings.append(_finding(context, attempts, [], differing))
    return result


def unrepeated(context: Context, plan: Plan) -> Iterator[str]:
    """Operations whose keys were sent again in some state, and in no control of the old version.

    Nobody knows which values of their responses have to agree.
    """
    repeated = context.once(repeated_keys.repeated)
    known = {name for name, _ in context.once(repeated_keys.learn).tried}
    for name in dict.fromkeys(repeated_keys.name_of(attempts) for attempts in repeated):
        if name not in known:
            yield (
                f"{name[0]} {name[1]} was repeated with its {repeated_keys.KEY} in no control of the old version: "
                "whether the responses to one key have to agree is not known"
            )


def attempts_by_key(context: Context) -> Iterator[tuple[tuple[str, OperationGuarantees], list[Operation]]]:
    """The client's attempts for each declared key, in order; keys are the client's own, so per path."""
    found: dict[tuple[str, str, str, str], list[Operation]] = defaultdict(list)
    declared: dict[tuple[str, str, str, str], OperationGuarantees] = {}
    for operation in context.groups.operations(lambda group: is_work(group) and _is_declared(context, group)):
        promised = context.guarantees(operation)
        if promised is None or promised.idempotent is None:
            continue
        key = context.value(promised.idempotent.key, operation)
        if key is not None:
            group = (context.path(operation), operation.service, operation.name, key)
            found[group].append(operation)
            declared.setdefault(group, promised)
    for group, attempts in found.items():
        attempts.sort(key=lambda operation: operation.started)
        yield (group[3], declared[group]), attempts


def _is_declared(context: Context, group: Group) -> bool:
    promised = context.guarantees(group)
    return promised is not None and promised.idempotent is not None


def _more_than_one(context: Context, effect: Effect, attempts: list[Operation]) -> list[Operation]:
    """Attempts may name their effects by different values, such as the id that each was answered."""
    applied = {found.id: found for entry in attempts for found in effects_of(context, effect, entry)}
    return list(applied.values()) if len(applied) > 1 and effect.times != "at-least-once" else []


def effects_of(context: Context, effect: Effect, operation: Operation) -> list[Operation]:
    """The applied effects at the partner that carry this operation's value."""
    wanted = context.value(effect.match, operation)
    if wanted is None:
        return []
    return context.effects_by(context.path(operation), effect.partner, effect.operation, effect.key).get(wanted, [])


def _disagreeing(context: Context, declared: OperationGuarantees, attempts: list[Operation]) -> list[str]:
    """Sentences about values that differ between the successful answers to one key."""
    expressions = declared.idempotent.same if declared.idempotent else ()
    return _differences(context, expressions or _used(attempts), attempts)


def _answered(attempts: list[Operation]) -> list[Operation]:
    return [entry for entry in attempts if entry.response is not None and entry.response.status < 300]


def _differences(context: Context, expressions: Iterable[Expression], attempts: list[Operation]) -> list[str]:
    found = []
    for expression in expressions:
        values = {value for entry in _answered(attempts) if (value := context.value(expression, entry)) is not None}
        if len(values) > 1:
            found.append(f"{expression.text} was {' and '.join(sorted(values))}")
    return found


def _used(attempts: list[Operation]) -> tuple[Expression, ...]:
    """What the client went on with: the values of the answer that later requests use."""
    names = dict.fromkeys(name for entry in attempts for name, _ in entry.produced if name.startswith("$response."))
    return tuple(parse(name) for name in names)


def _finding(context: Context, attempts: list[Operation], doubled: list[Operation], answers: list[str]) -> Finding:
    first = attempts[0]
    family = next((context.family(entry) for entry in attempts if entry.fault), "")
    said = []
    if doubled:
        said.append(f"one key had {len(doubled)} effects at {doubled[0].service} ({doubled[0].name})")
    if answers:
        said.append("the answers disagree: " + "; ".join(answers))
    attempts_said = ", then ".join(called(entry) for entry in attempts)
    return Finding(
        guarantee=GUARANTEE,
        service=first.service,
        operation=first.name,
        step=attempts[-1].step,
        versions=context.versions(first.service, {entry.version for entry in attempts}),
        message=f"{' and '.join(said)} after {attempts_said}",
        experience="charged twice: a retry with the same key was done again"
        if doubled
        else "two different results for what was asked for once",
        evidence=tuple(entry.id for entry in (*attempts, *doubled)),
        family=family,
    )


def promised(declared: OperationGuarantees) -> bool:
    return declared.idempotent is not None


IDEMPOTENT = Guarantee(GUARANTEE, head="idem", severity=90, check=check, promised=promised, unknowns=unrepeated)

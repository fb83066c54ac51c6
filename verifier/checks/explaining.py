"""What an attribution means in one run: a sentence that names the versions that met, and the migration between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from verifier.checks.context import Context
from verifier.checks.verdict import Attribution, Violation
from verifier.history.model import ServiceInfo


def explanation(context: Context, violation: Violation) -> str:
    """Which version met whose data where the violation shows first, as a sentence without a full stop."""
    changed = {entry.name: entry for entry in context.history.run.services if entry.old != entry.new}
    own = [changed[violation.service]] if violation.service in changed else list(changed.values())
    if not own:
        return "no service changes its version"
    old = listed(f"{entry.name} {entry.old}" for entry in own)
    new = listed(f"{entry.name} {entry.new}" for entry in own)
    migrations = _migrations(context, violation)
    changed_by = f" and {migrations} changed" if migrations else ""
    told: dict[Attribution, str] = {
        "pre-existing": f"{old} shows it too",
        "new-version": f"{new} shows it alone",
        "migration": f"{old} shows it after {migrations or 'the migration'}, before any replica of {new} runs",
        "upgrade": f"{new} shows it on data that {old} wrote{changed_by}, with no replica of {old} left",
        "mixed": _mixed(context, violation, changed) or f"{new} shows it on data that {old} and {new} wrote",
        "rollback": f"{old} shows it on data that {new} wrote",
    }
    return told[violation.attribution]


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _mixed(context: Context, violation: Violation, changed: Mapping[str, ServiceInfo]) -> str:
    """The versions that ran together in the first step with old and new that shows it; "" if no such step shows it."""
    for name in (violation.step, *violation.steps):
        step = context.steps.get(name)
        running = [entry for entry in step.state if entry.service in changed] if step is not None else []
        if len({entry.version == changed[entry.service].old for entry in running}) > 1:
            met = dict.fromkeys(f"{entry.service} {entry.version}" for entry in running)
            return f"it appears only while {listed(met)} run side by side"
    versions = [f"{violation.service} {version}" for version in violation.versions]
    met_live = violation.service in changed and len(versions) > 1
    return f"it appears only where {listed(versions)} meet" if met_live else ""


def _migrations(context: Context, violation: Violation) -> str:
    """The migrations applied in the first step that shows it, as `expand of app 2`."""
    step = context.steps.get(violation.first)
    places = [name.rpartition(" ") for name in step.migrations] if step is not None else []
    return listed(f"{stage} of {place}" for place, _, stage in places) if places else ""

"""A plan as text: numbered steps, the mixture after each step, the number of replays, and the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from verifier.plan.model import Coverage, Declared, Plan, PlannedStep, Replay, SessionShape


def render(plan: Plan, *, replays: bool = False) -> str:
    """The plan as text that ends with a newline. With `replays`, every replay gets a line."""
    lines = [f"plan of {plan.matrix} · seed {plan.seed} · {len(plan.paths)} paths, {len(plan.steps)} steps, "
             f"{sum(len(step.replays) for step in plan.steps)} replays"]  # fmt: skip
    for sentence in plan.same:
        lines.append(f"! {sentence}")
    if borrowed := [sentence for session in plan.sessions if (sentence := borrowing(session))]:
        lines += ["", *borrowed]
    for path in plan.paths:
        lines += ["", f"{path.id} ({path.kind})"]
        for step in path.steps:
            lines += _step(step, replays)
    return "\n".join([*lines, "", *_declared(plan.declared), *_coverage(plan.coverage)]) + "\n"


def render_pairs(plans: Sequence[tuple[str, Plan]], *, replays: bool = False) -> str:
    """The plan of each pair of versions, `OLD → NEW`, under its name. A single plan stands alone."""
    texts = [render(plan, replays=replays) for _, plan in plans]
    if len(plans) == 1:
        return texts[0]
    return "\n".join(f"pair {name}\n{text}" for (name, _), text in zip(plans, texts, strict=True))


def borrowing(session: SessionShape) -> str:
    """Which exchanges a session takes from other sessions, as a sentence; "" if it takes none."""
    borrowed = [exchange for exchange in session.exchanges if exchange.lender]
    if not borrowed:
        return ""
    producers = ", ".join(dict.fromkeys(exchange.lender for exchange in borrowed))
    issuing = ", ".join(dict.fromkeys(exchange.name for exchange in borrowed))
    return (
        f"session {session.id} takes {len(borrowed)} of its {len(session.exchanges)} exchanges from {producers}, "
        f"which produce values that it uses: {issuing}"
    )


def _declared(said: Declared) -> list[str]:
    """What the contracts imply: breaks with the steps they affect, seams, and safe upgrade orders."""
    lines = []
    for item in said.breaks:
        impact = "affects no step of this rollout"
        if item.steps:
            impact = f"affects {', '.join(item.callers)} in {', '.join(item.steps)}"
        lines.append(f"  {item.verdict:<9} {item.service} {item.old} → {item.new} · {item.operation} · {item.column}")
        lines.append(f"  {'':<9} {item.message} ({item.pointer}); {impact}")
    lines += [f"  seam      {item.seam.message}; in {', '.join(item.steps)}" for item in said.seams]
    if said.order is not None and not said.order.known:
        lines.append("  safe upgrade orders: unknown, because no contract says how the services call each other")
    elif said.order is not None and said.order.orders:
        lines.append(f"  safe upgrade orders: {'; '.join(' → '.join(order) for order in said.order.orders[:6])}")
    elif said.order is not None:
        lines.append(f"  no upgrade order is safe; conflicts: {', '.join(said.order.in_the_way)}")
        lines += [f"    {move.kind} {move.service}: {move.what}" for move in said.order.sequence]
    return ["contracts", *lines, ""] if lines else []


def _step(step: PlannedStep, replays: bool) -> list[str]:
    mixture = ", ".join(f"{entry.service} {entry.count}×{entry.version}" for entry in step.state)
    kinds = Counter(replay.fault.kind for replay in step.replays if replay.fault)
    plain = [(replay.session, replay.route) for replay in step.replays if replay.fault is None]
    routes = f"{len(set(plain))} routes" + (", each twice" if len(set(plain)) < len(plain) else "")
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    lines = [
        f"  {step.id:<16} {step.kind:<11} {step.description}",
        f"  {'':<28} {mixture}" + (f" · migrated: {', '.join(step.migrations)}" if step.migrations else ""),
        f"  {'':<28} {'under live traffic; ' if step.live else ''}{_late(step)}{routes}"
        + (f"; faults: {faults}" if faults else ""),
    ]
    return lines + [_replay(replay) for replay in step.replays] if replays else lines


def _late(step: PlannedStep) -> str:
    """The services of which a replica is told to end before it gets no more requests."""
    services = list(dict.fromkeys(action.service for action in step.actions if action.late_removal))
    return f"late-removal of {', '.join(services)}; " if services else ""


def _replay(replay: Replay) -> str:
    line = f"  {'':<28}   {replay.id:<5} {replay.session} via {' '.join(replay.route)}"
    fault = replay.fault
    if fault is None:
        return line
    pair = f" {fault.first or '·'}/{fault.second or '·'}" if fault.kind != "slow-read" else f" {fault.first}"
    inner = f" of {'calls to ' if fault.inner else ''}{fault.callee}" if fault.callee else ""
    until = f", sent in {fault.until}" if fault.until else ""
    return f"{line} · {fault.kind} at {fault.index + 1} {fault.name}{inner}{pair}{until}"


def _coverage(coverage: Coverage) -> list[str]:
    lines = ["coverage"]
    for what in ("states", "transitions", "routes", "faults"):
        count = getattr(coverage, what)
        lines.append(f"  {what:<12} {count.covered} of {count.total}")
    lines += [f"  left out: {item.count} × {item.what}: {item.why}" for item in coverage.left_out]
    return lines

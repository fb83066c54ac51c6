"""The `rollout` part of a matrix: the strategy and its numbers, the order of services, rollbacks, and the cover."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verifier.located import Located, Reader
from verifier.matrix.model import COVERS, ROLLBACKS, STRATEGIES, Amount, Rollout, Service
from verifier.printable import quoted

PERCENT = re.compile(r"(\d{1,3})%")
MOST_PATHS = 1000
OWN = {"rolling": ("maxSurge", "maxUnavailable"), "canary": ("steps",), "blue-green": (), "recreate": ()}


def read_rollout(reader: Reader, at: Located | None, declared: tuple[str, ...], services: Sequence[Service]) -> Rollout:
    """`{strategy: canary}`, or a strategy with its numbers as on Kubernetes: `{rolling: {maxSurge: 25%}}`.

    `declared` are the names of all services. Without an order, services that wait for others (`after`) are upgraded in
    every order that this allows.
    """
    items = reader.mapping(at, ("strategy", "order", "rollback", "cover", "paths", *STRATEGIES))
    partial = any(service.after for service in services)
    order, at_order = declared, items.get("order")
    word = at_order.value if at_order is not None and isinstance(at_order.value, str) else ""
    if at_order is not None and isinstance(at_order.value, list):
        order = reader.texts(at_order)
        if sorted(order) != sorted(declared):
            reader.problem(at_order, f"must name every service once: {', '.join(declared)}")
    elif at_order is not None:
        reader.choice(at_order, ("declared", "any", "safe"), "declared")
    if at_order is not None and word != "any" and partial:
        reader.problem(at_order, "must be any, because a service says after which others it is upgraded")
    strategy, own = _strategy(reader, items)
    return Rollout(
        strategy=strategy,
        order=order,
        every_order=word == "any" or (partial and at_order is None),
        safe_order=word == "safe",
        rollback=reader.choice(items.get("rollback"), ROLLBACKS, "ends"),
        surge=_amount(reader, own.get("maxSurge"), Amount(1)),
        unavailable=_amount(reader, own.get("maxUnavailable"), Amount(0)),
        canary=_steps(reader, own.get("steps")),
        cover=reader.choice(items.get("cover"), COVERS, COVERS[0]),
        paths=reader.whole(items.get("paths"), 6, 1, MOST_PATHS),
    )


def _strategy(reader: Reader, items: dict[str, Located]) -> tuple[str, dict[str, Located]]:
    """The name of the strategy, and its own keys."""
    named = [name for name in STRATEGIES if name in items]
    for name in named[1:]:
        reader.problem(items[name], f"there is one strategy: {named[0]} stands beside it")
    word = reader.choice(items.get("strategy"), STRATEGIES, named[0] if named else STRATEGIES[0])
    if not named:
        return word, {}
    if word != named[0]:
        reader.problem(items[named[0]], f"the strategy is {word}")
    at = items[named[0]]
    own = reader.mapping(None if at.value is None else at, OWN[named[0]])
    if {"maxSurge", "maxUnavailable"} <= own.keys() and all(own[name].value in (0, "0%") for name in own):
        reader.problem(own["maxUnavailable"], "must not be 0 if maxSurge is: no replica could be replaced")
    return named[0], own


def _amount(reader: Reader, at: Located | None, default: Amount) -> Amount:
    """A number of replicas, or a share of them such as 25%."""
    if at is None:
        return default
    if isinstance(at.value, str) and (found := PERCENT.fullmatch(at.value)) and int(found[1]) <= 100:
        return Amount(int(found[1]), percent=True)
    if isinstance(at.value, int) and not isinstance(at.value, bool) and 0 <= at.value <= 100:
        return Amount(at.value)
    reader.problem(at, f"must be a number of replicas or a share such as 25%, not {quoted(at.value)}")
    return default


def _steps(reader: Reader, at: Located | None) -> tuple[int, ...]:
    """The shares of a canary in percent, each larger than the one before."""
    if at is None:
        return ()
    if not isinstance(at.value, list) or not at.value:
        reader.problem(at, "must be a list of shares such as [10%, 50%]")
        return ()
    found: list[int] = []
    for item in at.value:
        amount = _amount(reader, item, Amount(100, percent=True))
        if not amount.percent:
            reader.problem(item, f"must be a share such as 10%, not {quoted(item.value)}")
        elif amount.value <= (found[-1] if found else 0):
            reader.problem(item, "must be larger than 0% and than the share before")
        else:
            found.append(amount.value)
    return tuple(found)


def check_after(reader: Reader, services: dict[str, Located]) -> None:
    """Problems of `after`: names that are no services, and services that wait for each other."""
    waits: dict[str, tuple[str, ...]] = {}
    for name, item in services.items():
        at = item.value.get("after") if isinstance(item.value, dict) else None
        if at is None:
            continue
        items = at.value if isinstance(at.value, list) else []
        waits[name] = tuple(entry.value for entry in items if isinstance(entry.value, str))
        for entry in items:
            if isinstance(entry.value, str) and entry.value not in services:
                reader.problem(entry, f"there is no service {quoted(entry.value)}")
    for name in waits:
        reached, waiting = set(), list(waits[name])
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting += waits.get(other, ())
        if name in reached:
            at = services[name]
            reader.problem(at.value["after"], f"{name!r} would wait for itself")

"""A script prepared for replays: everything that is the same in all of them, done once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from verifier.history.message import Request
from verifier.replay.correlate.compiler import Begin, Build, Compiler
from verifier.replay.correlate.taking import Learn, learner

if TYPE_CHECKING:
    from verifier.replay.correlate.script import CookieUse, Script


class StepProgram(Struct, frozen=True, gc=False):
    """What a replay does at one step. `build` and `learn` are None where there is nothing to do.

    `uses`: the slots in its request that only answers fill, as a number with one bit each.
    """

    recorded: Request
    host: str
    uses: int
    reported: bool
    build: Build | None
    cookie: CookieUse | None
    learn: Learn | None
    stores_cookies: bool
    client: str


class Program(Struct, frozen=True, gc=False):
    """`unlearned`: the slots that only answers fill, one bit each."""

    begin: Begin
    unlearned: int
    steps: tuple[StepProgram, ...]


def prepare(script: Script) -> Program:
    compiler = Compiler()
    begin = compiler.begin(script.slots)
    builds = [
        compiler.request(step.exchange.request, compiled.woven) if compiled.woven is not None else ""
        for step, compiled in zip(script.steps, script.compiled, strict=True)
    ]
    functions = compiler.finish()
    places = Counter(take.slot for compiled in script.compiled for take in compiled.takes)
    sole = frozenset(slot for slot, count in places.items() if count == 1)
    unlearned = _bits(number for number, slot in enumerate(script.slots) if not slot.fresh)
    steps = tuple(
        StepProgram(
            recorded=step.exchange.request,
            host=step.exchange.host,
            uses=_bits(compiled.uses) & unlearned,
            reported=bool(step.unmatched or step.ambiguous),
            build=functions[build] if build else None,
            cookie=compiled.cookie,
            learn=learner(compiled.takes, script.slots, sole) if compiled.takes else None,
            stores_cookies=compiled.stores_cookies,
            client=compiled.client,
        )
        for step, compiled, build in zip(script.steps, script.compiled, builds, strict=True)
    )
    return Program(functions[begin], unlearned, steps)


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers))

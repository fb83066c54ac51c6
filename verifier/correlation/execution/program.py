"""A script prepared for replays: everything that is the same in all of them, done once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from verifier.correlation.execution.compiler import Begin, Build, Compiler
from verifier.correlation.execution.extraction import Learn, learner
from verifier.correlation.text.parts import bits, needs_encoding
from verifier.http.message import Request

if TYPE_CHECKING:
    from verifier.correlation.execution.script import CookieUse, Script


class StepProgram(Struct, frozen=True, gc=False):
    """What a replay does at one step. `learn` is None where there is nothing to do.

    `uses`: the slots in its request that only answers fill, as a number with one bit each.
    """

    recorded: Request
    host: str
    uses: int
    reported: bool
    build: Build
    target: Callable[[list[str]], str]
    cookie: CookieUse | None
    learn: Learn | None
    stores_cookies: bool
    client: str


class Program(Struct, frozen=True, gc=False):
    """`unlearned`: the slots that only answers fill, `needs_encoding` those that begin with other than unreserved
    characters (one bit each).
    """

    begin: Begin
    unlearned: int
    needs_encoding: int
    steps: tuple[StepProgram, ...]


def prepare(script: Script) -> Program:
    compiler = Compiler()
    begin = compiler.begin(script.slots)
    asked = [step.exchange.request for step in script.steps]
    template = [compiled.template for compiled in script.compiled]
    builds = [compiler.request(*both) for both in zip(asked, template, strict=True)]
    targets = [compiler.target(*both) for both in zip(asked, template, strict=True)]
    functions = compiler.finish()
    places = Counter(extraction.slot for compiled in script.compiled for extraction in compiled.extractions)
    sole = frozenset(slot for slot, count in places.items() if count == 1)
    unlearned = bits(number for number, slot in enumerate(script.slots) if not slot.fresh)
    steps = tuple(
        StepProgram(
            recorded=step.exchange.request,
            host=step.exchange.host,
            uses=bits(compiled.uses) & unlearned,
            reported=bool(step.unmatched or step.ambiguous),
            build=functions[build],
            target=functions[target],
            cookie=compiled.cookie,
            learn=learner(compiled.extractions, script.slots, sole) if compiled.extractions else None,
            stores_cookies=compiled.stores_cookies,
            client=compiled.client,
        )
        for step, compiled, build, target in zip(script.steps, script.compiled, builds, targets, strict=True)
    )
    # A value that is drawn or shifted has characters of the kinds that the recorded one has.
    return Program(functions[begin], unlearned, needs_encoding([slot.recorded for slot in script.slots]), steps)

"""A script compiled for its replays: everything that is the same in all of them, made once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from verifier.correlation.execution.compiler import Begin, Build, Compiler
from verifier.correlation.execution.extraction import Learn, learner
from verifier.correlation.model import Script, ScriptStep
from verifier.correlation.text.parts import bits, needs_encoding


class Program(Struct, frozen=True, gc=False):
    """The compiled functions of a script; those of one step stand at its index.

    `begin` gives the values that a replay starts with, `build` the request of a step and `target` its target.
    `learn` takes values out of a response; it is None where later steps use nothing of it. The sets of slots have one
    bit for each: `unlearned` are those that only responses fill, `waits` those of them in the request of each step,
    `needs_encoding` those that begin with other than unreserved characters.
    """

    script: Script
    steps: tuple[ScriptStep, ...]
    begin: Begin
    build: tuple[Build, ...]
    target: tuple[Callable[[list[str]], str], ...]
    learn: tuple[Learn | None, ...]
    waits: tuple[int, ...]
    unlearned: int
    needs_encoding: int


def compile_script(script: Script) -> Program:
    """Compile the functions of all steps together."""
    compiler, steps = Compiler(), script.steps
    begin = compiler.begin(script.slots)
    builds = [compiler.request(step.exchange.request, step.template) for step in steps]
    targets = [compiler.target(step.exchange.request, step.template) for step in steps]
    functions = compiler.finish()
    sources = Counter(extraction.slot for step in steps for extraction in step.extractions)
    single_source = frozenset(slot for slot, count in sources.items() if count == 1)
    unlearned = bits(number for number, slot in enumerate(script.slots) if not slot.fresh)
    return Program(
        script=script,
        steps=steps,
        begin=functions[begin],
        build=tuple(functions[name] for name in builds),
        target=tuple(functions[name] for name in targets),
        learn=tuple(
            learner(step.extractions, script.slots, single_source) if step.extractions else None for step in steps
        ),
        waits=tuple(bits(step.uses) & unlearned for step in steps),
        unlearned=unlearned,
        # A value that is drawn or shifted has characters of the kinds that the recorded one has.
        needs_encoding=needs_encoding([slot.recorded for slot in script.slots]),
    )

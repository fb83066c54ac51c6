"""Text as an attacker or an accident would put it into recorded traffic."""

from __future__ import annotations

from dataclasses import replace

import report_values as values
from hypothesis import strategies as st
from msgspec import structs

from verifier.checks.verdict import Judgement
from verifier.contracts.order import Move, Order
from verifier.history.model import History, Note, ReplicaEvent
from verifier.http.message import Request, Response
from verifier.plan.model import Declared, LeftOut, Plan

ATTACKS = (
    "<script>alert(1)</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "]]></failure><error/>",
    "<!-- --><![CDATA[",
    "&lt;script&gt;&#60;",
    "```\n# heading\n```",
    "| a | b |\n|---|---|",
    "[click](http://evil.example) ![x](http://evil.example/x.png) @everyone #1 www.evil.example",
    "\x00\x01\x08\x0b\x0c\x1b[2J\x7f\x85\ufffe\uffff",
    "\ud800 \udfff \u202e \u2028",
    "{{ 7 * 7 }} {% raw %}",
    "a\r\nb\tc",
)
texts = st.one_of(st.sampled_from(ATTACKS), st.text(min_size=1).filter(str.strip))


def run(text: str) -> tuple[Judgement, History, Plan]:
    """The usual run with a text wherever traffic, services or files put one."""
    raw = text.encode("utf-8", "surrogatepass")
    history = values.history()
    operations = tuple(
        structs.replace(
            entry,
            name=text,
            request=Request(text, f"/{text}", ((text, text),), raw),
            response=Response(500, ((text, text),), raw) if entry.response else None,
            error=text,
            replica=text,
        )
        for entry in history.operations
    )
    event = ReplicaEvent("rollout.2", "broken", text, text, "never-ready", 12.0, text)
    history = structs.replace(
        history,
        operations=operations,
        replicas=(event,),
        notes=(Note("rollout.2", text, text),),
        run=structs.replace(history.run, matrix=text, runtime=text),
    )
    shown = replace(
        values.DOUBLED, message=text, experience=text, operation=text, reproduce=text,
        evidence=(*values.DOUBLED.evidence, "broken"),
    )  # fmt: skip
    judgement = values.judgement((shown, replace(values.EARLIER, message=text, operation=text)), (text,))
    coverage = replace(judgement.coverage, left_out=(LeftOut(text, text, 1),))
    steps = tuple(replace(step, error=text, description=text) for step in judgement.steps)
    plan = values.plan()
    paths = tuple(
        replace(path, steps=tuple(replace(step, description=text, migrations=(text,)) for step in path.steps))
        for path in plan.paths
    )
    judgement = replace(judgement, steps=steps, coverage=coverage)
    declared = Declared(order=Order((), 0, (text,), (Move("expand", text, text),)))
    return judgement, history, replace(plan, matrix=text, paths=paths, declared=declared)

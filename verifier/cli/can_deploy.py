"""`verifier can-deploy SERVICE=VERSION`: whether published runs show that a deployment is safe."""

from __future__ import annotations

import json
import time

import click

from verifier.cli.gate_options import ENVIRONMENT, STORE, BuildType, age, builds, opened
from verifier.cli.options import examples
from verifier.errors import BadInput
from verifier.gate.decide import Question, decide
from verifier.gate.model import Deployment, Evidence, live
from verifier.gate.text import EXIT, Asked, document, render


@click.command(
    name="can-deploy",
    epilog=examples(
        "verifier can-deploy orders=2.0 --environment production --max-age 7d",
        "verifier can-deploy orders=1.4 --environment production --back",
    ),
)
@click.argument("given", metavar="SERVICE=VERSION...", nargs=-1, required=True, type=BuildType())
@ENVIRONMENT
@click.option("--back", is_flag=True, help="Ask whether a rollback to this version is safe.")
@click.option(
    "--max-age", metavar="DURATION", help="An older pass does not count, such as 7d. A failure always counts."
)
@click.option("--together", is_flag=True, help="One run must have all live services; several do not add up.")
@click.option("--by-contract", is_flag=True, help="Beside it, a version with the same contract counts as the live one.")
@click.option("--no-overlap", is_flag=True, help="The old version ends before the new one starts (strategy recreate).")
@click.option("--apart", multiple=True, metavar="SERVICE", help="This one has nothing to do with it. Repeatable.")
@click.option("--before-contract", is_flag=True, help="With --back: the contract migrations have not run yet.")
@click.option("--start", is_flag=True, help="After a yes, record at once that the deployment has started.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@STORE
@click.pass_context
def can_deploy(
    context: click.Context,
    given: tuple[tuple[str, str, str], ...],
    environment: str,
    back: bool,
    max_age: str | None,
    together: bool,
    by_contract: bool,
    no_overlap: bool,
    apart: tuple[str, ...],
    before_contract: bool,
    start: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Decide by published runs whether versions may be deployed, and name the evidence.

    The versions that would run side by side must have been rehearsed side by side, with what else is live in the
    environment. Several services are deployed at the same time. Exit status: 0 yes, 1 no, 2 bad input, 3 unknown:
    evidence is missing, 4 no results store.
    """
    targets, allowed = builds(given), age(max_age)
    if deployed := sorted(targets.keys() & set(apart)):
        raise BadInput.one("--apart", f"names {deployed[0]}, which is deployed")
    with opened(store) as results:
        question = Question(
            targets, back, not no_overlap, allowed, together, by_contract, frozenset(apart), before_contract
        )
        decisions = []

        def look(deployments: list[Deployment], evidence: list[Evidence]) -> bool:
            asked = Asked(question, environment, live(deployments), time.time())
            decision = decide(question, asked.live, evidence, asked.now)
            decisions.append((asked, decision))
            return decision.reply == "yes"

        versions = [(service, build.version) for service, build in targets.items()]
        results.ask(environment, versions, look, tuple(targets.items()) if start else ())
    ((asked, decision),) = decisions
    told = json.dumps(document(asked, decision), indent=2) + "\n" if as_json else render(asked, decision)
    click.echo(told, nl=False)
    context.exit(EXIT[decision.reply])

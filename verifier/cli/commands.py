"""All commands of `verifier`, in the order in which they are listed.

Each is a module of this package with a function of the same name. It is imported only when it is called, because all of
them together take a second to import.
"""

from __future__ import annotations

import importlib

import click

from verifier import __version__

# What `verifier --help` says about each command: the first sentence of its own help.
COMMANDS = {
    "init": "Write a first matrix from a Compose file, or from manifests of Kubernetes.",
    "doctor": "Say what is missing on this machine and in a matrix.",
    "plan": "Print what `run` would do: every path, step, replay and fault, of each pair of versions.",
    "run": "Verify a rollout before it happens.",
    "merge": "Put the shards of a run together and judge them.",
    "judge": "Judge a stored run again with the checks of this version.",
    "report": "Render a stored run.",
    "open": "Open the HTML report of a run in the browser.",
    "diff": "Say what has changed from one run to a later one.",
    "shrink": "Find the smallest reproduction of a violation.",
    "query": "Query the history of a run with SQL (DuckDB).",
    "record": "Record live traffic into a HAR file.",
    "redact": "Write a copy of a recording without its secrets.",
    "contract": "Compare two contracts in both directions: OpenAPI, Swagger, AsyncAPI or JSON Schema.",
    "publish": "Put the results of a run into the results store.",
    "record-deployment": "Record a deployment, so that `can-deploy` knows which versions run side by side.",
    "can-deploy": "Decide by published runs whether versions may be deployed, and name the evidence.",
    "clean": "Remove the containers, networks, volumes, processes and folders that killed runs left behind.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        attribute = name.replace("-", "_")
        found: click.Command = getattr(importlib.import_module(f"verifier.cli.{attribute}"), attribute)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verifier")
def cli() -> None:
    """Rehearse a rollout: run old and new versions side by side and replay recorded traffic with faults."""

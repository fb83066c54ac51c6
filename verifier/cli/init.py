"""`verifier init COMPOSE`: a first matrix from a Compose file."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.compose.deployment import deployment, is_store
from verifier.compose.matrix import Target, matrix_text
from verifier.compose.model import ComposeFile
from verifier.compose.read import NAMES, read
from verifier.compose.references import matrix_name
from verifier.errors import BadInput
from verifier.printable import printable


@click.command(epilog=examples("verifier init --service orders --old shop/orders:1.4 --new shop/orders:2.0"))
@click.argument("compose", type=click.Path(path_type=Path), required=False)
@click.option("--service", metavar="NAME", help="The service to be rolled out; needed if the file has several.")
@click.option("--old", metavar="IMAGE", required=True, help="The image that runs today, or a Compose file with it.")
@click.option("--new", metavar="IMAGE", required=True, help="The image to be rolled out, or a Compose file with it.")
@click.option(
    "--recording",
    type=click.Path(path_type=Path),
    help="Recorded traffic; by default recordings/SERVICE.har.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Matrix to write; by default matrices/SERVICE.yaml.")
def init(
    compose: Path | None, service: str | None, old: str, new: str, recording: Path | None, out: Path | None
) -> None:
    """Write a first matrix from a Compose file.

    It has the services and stores that the rollout needs, with their ports, environment, health checks and commands.
    What a matrix has no place for stands in it as comments, with the line of the Compose file. COMPOSE is compose.yaml
    by default. An existing matrix is never overwritten.
    """
    path = compose or _default()
    declared = read(path)
    service = service or _only(declared)
    name = matrix_name(service)
    out = out or Path("matrices") / f"{name}.yaml"
    recording = recording or out.parent / "recordings" / f"{name}.har"
    text = matrix_text(deployment(declared, service, old, new), Target(service, recording, out.parent))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput.one(out, "exists already; write another file with --out", key="--out") from None
    except OSError as error:
        raise BadInput.one(out, f"cannot be written: {error.strerror or error}", key="--out") from None
    click.echo(printable(f"{out} was written. Next: verifier doctor {out}"))


def _default() -> Path:
    found = next((Path(name) for name in NAMES if Path(name).is_file()), None)
    if found is None:
        raise BadInput.one(NAMES[0], "there is no Compose file here; name one")
    return found


def _only(declared: ComposeFile) -> str:
    """The service to be rolled out if there is only one that is no store. Raises BadInput."""
    names = [name for name, entry in declared.services.items() if not is_store(entry)]
    if len(names) != 1:
        raise BadInput.one(declared.path, f"has several services: {', '.join(names)}", key="--service")
    return names[0]

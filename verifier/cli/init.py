"""`verifier init`: a first matrix from a Compose file, or from manifests of Kubernetes."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.compose.deployment import Deployment, between, is_store, version_of
from verifier.compose.kubernetes import read_kubernetes
from verifier.compose.matrix import Target, matrix_text
from verifier.compose.model import ComposeFile
from verifier.compose.read import NAMES, read
from verifier.compose.recognise import is_migration, is_tool
from verifier.compose.references import matrix_name
from verifier.compose.revisions import at_revision, revision
from verifier.errors import BadInput
from verifier.printable import printable

SOURCES = "sources"  # the folder beside a matrix for the files of commits


@click.command(
    epilog=examples(
        "verifier init --service orders --old shop/orders:1.4 --new shop/orders:2.0",
        "verifier init compose.yaml --service orders --old v1.4 --new HEAD",
        "verifier init --from-kubernetes k8s/*.yaml --service orders --old shop/orders:1.4 --new shop/orders:2.0",
    )
)
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[FILE]...")
@click.option("--from-kubernetes", is_flag=True, help="FILE... are manifests of Kubernetes, plain or rendered.")
@click.option("--service", metavar="NAME", help="The service to be rolled out; needed if there are several.")
@click.option(
    "--old", metavar="IMAGE", required=True, help="What runs today: an image, a git ref (or git:REF), or a file."
)
@click.option("--new", metavar="IMAGE", required=True, help="What is to be rolled out; the same forms as for --old.")
@click.option(
    "--recording",
    type=click.Path(path_type=Path),
    help="Recorded traffic; by default recordings/SERVICE.har.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Matrix to write; by default matrices/SERVICE.yaml.")
def init(
    files: tuple[Path, ...],
    from_kubernetes: bool,
    service: str | None,
    old: str,
    new: str,
    recording: Path | None,
    out: Path | None,
) -> None:
    """Write a first matrix from a Compose file, or from manifests of Kubernetes.

    It has the services and stores that the rollout needs, with their ports, environment, health checks and commands,
    and with the strategy of a Deployment. What a matrix has no place for stands in it as comments, with file and line.
    FILE is compose.yaml by default. Values of Secrets are never read: the matrix names variables of the environment.

    --old and --new are images, or Compose files or manifests, or git refs of the repository from which a Compose file
    builds the service. The files of a commit are exported into `sources` beside the matrix. An existing matrix is never
    overwritten.
    """
    declared = _declared(files, from_kubernetes)
    service = service or _only(declared)
    name = matrix_name(service)
    out = out or Path("matrices") / f"{name}.yaml"
    if out.exists():
        raise BadInput.one(out, "exists already; write another file with --out", key="--out")
    recording = recording or out.parent / "recordings" / f"{name}.har"
    found = _deployment(declared, service, old, new, out.parent / SOURCES, from_kubernetes)
    text = matrix_text(found, Target(service, recording, out.parent))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput.one(out, "exists already; write another file with --out", key="--out") from None
    except OSError as error:
        raise BadInput.one(out, f"cannot be written: {error.strerror or error}", key="--out") from None
    click.echo(printable(f"{out} was written. Next: verifier doctor {out}"))


def _declared(files: tuple[Path, ...], from_kubernetes: bool) -> ComposeFile:
    if from_kubernetes:
        if not files:
            raise click.UsageError("--from-kubernetes needs one manifest or more.")
        return read_kubernetes(files)
    if len(files) > 1:
        raise click.UsageError("There is one Compose file. Several manifests of Kubernetes need --from-kubernetes.")
    return read(files[0] if files else _default())


def _deployment(
    declared: ComposeFile, service: str, old: str, new: str, sources: Path, from_kubernetes: bool
) -> Deployment:
    versions = []
    for given in (old, new):
        commit = None if from_kubernetes else revision(declared, service, given)
        if commit is not None:
            versions.append(at_revision(declared, service, commit, sources))
        elif from_kubernetes:
            versions.append(version_of(declared, service, given, lambda path: read_kubernetes([path])))
        else:
            versions.append(version_of(declared, service, given))
    return between(declared, service, *versions)


def _default() -> Path:
    found = next((Path(name) for name in NAMES if Path(name).is_file()), None)
    if found is None:
        raise BadInput.one(NAMES[0], "there is no Compose file here; name one")
    return found


def _only(declared: ComposeFile) -> str:
    """The service to be rolled out if only one may be meant. Raises BadInput."""
    names = [
        name
        for name, entry in declared.services.items()
        if not (is_store(entry) or is_migration(entry) or is_tool(entry))
    ]
    if len(names) != 1:
        raise BadInput.one(declared.path, f"has several services: {', '.join(names)}", key="--service")
    return names[0]

"""What `verifier record --compose` records: a service of a stack that runs, found through the engine."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.printable import printable

LISTEN = "127.0.0.1:9000"
Flags = tuple[str, ...]


def of_stack(compose: Path, service: str | None, listen: Flags, to: Flags, names: Flags) -> tuple[Flags, Flags, Flags]:
    """The flags --listen, --to and --as that record the service. Raises BadInput and BrokenEnvironment."""
    from verifier.compose.deployment import require
    from verifier.compose.read import read
    from verifier.compose.references import matrix_name
    from verifier.compose.running import reached

    if to:
        raise click.UsageError("--compose finds where the service is, so it does not go with --to.")
    if not service:
        raise click.UsageError("--compose needs --service NAME.")
    if len(listen) > 1 or len(names) > 1:
        raise click.UsageError("--compose records one service, so --listen and --as stand once.")
    declared = read(compose)
    require(declared, service)
    found = reached(declared, service)
    if found.others:
        told = f"note: {found.others} more containers of {service} run; all recorded requests go to one of them"
        click.echo(printable(told), err=True)
    return listen or (LISTEN,), (f"http://{found.host}:{found.port}",), names or (matrix_name(service),)

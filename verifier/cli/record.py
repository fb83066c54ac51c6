"""`verifier record`: a proxy in front of a running service that writes its traffic into a HAR file."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import signal
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvloop

from verifier.cli.options import examples
from verifier.cli.recorded_stack import of_stack
from verifier.errors import BrokenEnvironment
from verifier.printable import printable
from verifier.recording.harwriter import HarWriter
from verifier.recording.placeholders import as_yaml
from verifier.recording.proxy import Recorder, RecordingFile, Upstream
from verifier.recording.suspicion import session_header_kept

_SHOWN = 5  # exchanges that are listed by name


@click.command(
    epilog=examples(
        "verifier record --listen 127.0.0.1:9000 --to http://127.0.0.1:8080 --as orders --out shop.har",
        "verifier record --compose compose.yaml --service orders --out shop.har",
    )
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    multiple=True,
    help="Address to listen on; port 0 picks a free port. Repeatable, each with a --to of its own.",
)
@click.option(
    "--to",
    "to",
    metavar="URL",
    multiple=True,
    help="Service to forward to, such as http://127.0.0.1:8080.",
)
@click.option(
    "--compose",
    type=click.Path(path_type=Path),
    help="The Compose file of a running stack: forward to its --service. It listens on 127.0.0.1:9000 by default.",
)
@click.option("--service", metavar="NAME", help="The service of --compose to record.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="HAR file to write.")
@click.option(
    "--as",
    "names",
    metavar="SERVICE",
    multiple=True,
    help="Service name to write into recorded URLs, as in the matrix; one for each --to.",
)
@click.option("--redact", metavar="FIELD", multiple=True, help="Also redact this header or body field; repeatable.")
@click.option(
    "--session-header", metavar="NAME", help="Requests with equal values of this header belong to one session."
)
@click.option("--rewrite-host", is_flag=True, help="Send the service's address as the Host header, not the client's.")
@click.option("--insecure", is_flag=True, help="Accept any TLS certificate from an https service.")
def record(
    listen: tuple[str, ...],
    to: tuple[str, ...],
    compose: Path | None,
    service: str | None,
    out: Path,
    names: tuple[str, ...],
    redact: tuple[str, ...],
    session_header: str | None,
    rewrite_host: bool,
    insecure: bool,
) -> None:
    """Record live traffic into a HAR file.

    Clients talk to the --listen address; every request is forwarded to the --to service. Several services are recorded
    into one file with as many of both, in the same order. Whoever reaches an address that is no loopback address (such
    as 0.0.0.0, inside a Compose network) can use the services through it. A line tells that an address is listened on.

    With --compose, the recorder finds where a running container of the service is reached, and nothing of the stack is
    changed: send your clients to the --listen address instead.

    Whatever is secret by its name or its shape is redacted before anything is written. Press Ctrl-C to stop; the file
    appears once it is complete. The command then prints what it redacted and what it left, and, as lines for the
    matrix, the redacted credentials that a replay needs.
    """
    if compose is not None:
        listen, to, names = of_stack(compose, service, listen, to, names)
    if not listen or not to:
        raise click.UsageError("Missing option '--listen' and '--to', or '--compose' and '--service'.")
    targets = _targets(listen, to, names, insecure)
    redaction = session_header_kept(session_header).also(headers=redact, fields=redact)
    began = time.time()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = RecordingFile(out, redaction, session_header, began)
    except OSError as error:
        raise click.BadParameter(f"{out} cannot be written: {error.strerror or error}", param_hint="--out") from None
    with file:
        recorder_run = _run(targets, file, rewrite_host)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(recorder_run)
    click.echo(f"{file.count} exchanges in {out}", err=True)
    if file.left_out:
        shown = "".join(f"\n  {line}" for line in file.left_out[:_SHOWN])
        click.echo(f"{len(file.left_out)} of them cannot be replayed:{shown}", err=True)
    show_redacted(file, out)


def show_redacted(file: HarWriter, out: Path) -> None:
    """Print what was redacted and what was left, and the lines for the matrix that a replay needs."""
    if table := file.log.table():
        click.echo(f"{printable(table)}\n", err=True)
    if file.credentials:
        click.echo(
            "These secrets were redacted, and no recorded response issues them. If the service checks them, name in\n"
            "the matrix the variable (env) or file (file) that holds each one. If it does not, leave these lines out.",
            err=True,
        )
        click.echo(as_yaml(out.name, file.credentials), nl=False)


Target = tuple[str, int, Upstream]  # where clients are listened for, and the service behind it


async def _run(targets: Sequence[Target], file: RecordingFile, rewrite_host: bool) -> None:
    stop = asyncio.Event()
    now = asyncio.Event()

    def stopped() -> None:
        if stop.is_set():
            now.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped)
    recorder = Recorder(file.put, rewrite_host=rewrite_host)
    for host, port, upstream in targets:
        shown = f"[{host}]" if ":" in host else host
        try:
            bound = await recorder.start(host, port, upstream)
        except OSError as error:
            await recorder.close(grace=0)
            raise BrokenEnvironment(f"cannot listen on {shown}:{port}: {error.strerror or error}") from None
        click.echo(f"recording http://{shown}:{bound} -> {upstream.authority}; press Ctrl-C to stop", err=True)
    await _first(stop, recorder.failed)
    closing = asyncio.ensure_future(recorder.close())
    hurried = asyncio.ensure_future(now.wait())
    await asyncio.wait((closing, hurried), return_when=asyncio.FIRST_COMPLETED)
    if not closing.done():
        await recorder.close(grace=0)
    hurried.cancel()
    await closing
    if recorder.error is not None:
        raise BrokenEnvironment(f"recording failed and nothing was written: {recorder.error}") from recorder.error
    if recorder.lost:
        click.echo(f"warning: {recorder.lost} connections are missing because the recorder failed on them", err=True)


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _targets(listen: tuple[str, ...], to: tuple[str, ...], names: tuple[str, ...], insecure: bool) -> list[Target]:
    """The flags of each target together, in the order in which they were given."""
    if len(to) != len(listen):
        raise click.BadParameter(f"is given {len(to)} times, but --listen {len(listen)} times", param_hint="--to")
    if names and len(names) != len(to):
        raise click.BadParameter(f"is given {len(names)} times, but --to {len(to)} times", param_hint="--as")
    named = names or ("",) * len(to)
    return [
        (*_address(where), replace(_upstream(url, insecure), name=_authority(name)))
        for where, url, name in zip(listen, to, named, strict=True)
    ]


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    address = "127.0.0.1" if host in ("", "localhost") else host
    try:
        ipaddress.ip_address(address)
    except ValueError:
        message = f"{host!r} is not an address of this machine such as 127.0.0.1, or 0.0.0.0 for all of them"
        raise click.BadParameter(message, param_hint="--listen") from None
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} must end in a port, such as 127.0.0.1:8099", param_hint="--listen")
    return address, int(port)


def _authority(name: str) -> str:
    """The --as flag: a host name, optionally with a port; "" without one."""
    if not name:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?", name):
        raise click.BadParameter(f"{name!r} must be a service's name, such as orders or orders:8080", param_hint="--as")
    return name


def _upstream(to: str, insecure: bool) -> Upstream:
    try:
        parts = urlsplit(to)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.query:
        raise click.BadParameter(f"{to!r} must be http://HOST:PORT or https://HOST:PORT", param_hint="--to")
    if parts.scheme == "http":
        return Upstream(host, port or 80)
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return Upstream(host, port or 443, context)

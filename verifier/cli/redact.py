"""`verifier redact RECORDING`: a copy of a recording from elsewhere, without its secrets."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.cli.options import examples
from verifier.cli.record import show_redacted
from verifier.printable import printable
from verifier.recording.harwriter import HarWriter
from verifier.recording.load import load
from verifier.recording.suspicion import session_header_kept


@click.command(epilog=examples("verifier redact browser.har --redact customer_number --out shop.har"))
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="HAR file to write; by default NAME.redacted.har."
)
@click.option("--redact", "names", metavar="FIELD", multiple=True, help="Also redact this header or field; repeatable.")
@click.option(
    "--session-header", metavar="NAME", help="Requests with equal values of this header belong to one session."
)
def redact(recording: Path, out: Path | None, names: tuple[str, ...], session_header: str | None) -> None:
    """Write a copy of a recording without its secrets.

    Reads HAR, GoReplay and JSON Lines, and writes HAR with what a replay needs and nothing else. Equal secrets become
    equal placeholders. Only you can read the copy, and it appears once it is complete. The command prints what it
    redacted and what it left, and, as lines for the matrix, the redacted credentials that a replay needs.
    """
    found = load(recording, session_header)
    out = out or recording.with_name(f"{recording.stem}.redacted.har")
    redaction = session_header_kept(session_header).also(headers=names, fields=names)
    entries = [
        (exchange, f"s{number}")  # the names of sessions may be secret, too
        for number, session in enumerate(found.sessions, 1)
        for exchange in session.exchanges
    ]
    entries.sort(key=lambda entry: (entry[0].at, entry[0].line))
    try:
        writer = HarWriter(out, redaction, found.began)
    except OSError as error:
        raise click.BadParameter(f"{out} cannot be written: {error.strerror or error}", param_hint="--out") from None
    with writer:
        for exchange, session in entries:
            writer.add(exchange, session)
    for warning in found.warnings:
        click.echo(printable(f"left out: {warning}"), err=True)
    click.echo(printable(f"{len(entries)} exchanges in {out}"), err=True)
    show_redacted(writer, out)

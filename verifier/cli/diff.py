"""`verifier diff RUN RUN`: what has changed between two stored runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from verifier.cli.options import examples
from verifier.files import is_file, is_folder
from verifier.rehearsal.pairs import JudgedPair, load_judged
from verifier.report.difference import Difference, Side, difference, document, text

SCHEMA = 1


@click.command(epilog=examples("verifier diff .verifier/checkout-20260102-030405-1a2b .verifier/checkout-20260103-…"))
@click.argument("before", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("after", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def diff(context: click.Context, before: Path, after: Path, shape: str) -> None:
    """Say what has changed from one run to a later one.

    Violations, guarantees, coverage, versions and inputs are compared, and both runs are judged with the checks of this
    version. Pairs of versions are compared with the same pair, or, where each run has one pair, with that.

    Exit status: 0 nothing is worse, 1 a violation that fails the later run is new, or its verdict is graver, 2 bad
    input.
    """
    found = list(_differences(load_judged(before)[1], load_judged(after)[1]))
    if shape == "json":
        pairs = [{"pair": name, **document(entry)} if entry else {"pair": name} for name, entry in found]
        value: dict[str, Any] = {"schema": SCHEMA, "before": str(before), "after": str(after), "pairs": pairs}
        click.echo(json.dumps(value, indent=2))
    else:
        for name, entry in found:
            title = f" ({name})" if len(found) > 1 else ""
            shown = text(entry, f"{before}{title}", str(after)) if entry else f"{name}: in one of the runs only\n"
            click.echo(shown)
    context.exit(1 if any(entry is not None and entry.worse for _, entry in found) else 0)


def _differences(
    before: tuple[JudgedPair, ...], after: tuple[JudgedPair, ...]
) -> Iterator[tuple[str, Difference | None]]:
    """The difference of each pair of versions; None for one that only one of the runs has judged."""
    if len(before) == len(after) == 1:
        found = [(_name(after[0]), before[0], after[0])]
    else:
        known = {_name(entry): entry for entry in before}
        found = [(_name(entry), known[_name(entry)], entry) for entry in after if _name(entry) in known]
        both = {name for name, _, _ in found}
        yield from ((_name(entry), None) for entry in (*before, *after) if _name(entry) not in both)
    for name, first, second in found:
        sides = _side(first), _side(second)
        yield name, None if sides[0] is None or sides[1] is None else difference(sides[0], sides[1])


def _name(pair: JudgedPair) -> str:
    return pair.directory.name if pair.directory.parent.name == "pairs" else f"{pair.old} → {pair.new}"


def _side(pair: JudgedPair) -> Side | None:
    if pair.judged is None:
        return None
    judgement, history, plan, _ = pair.judged
    return Side(judgement, history, plan, dict(_inputs(pair.directory / "inputs")))


def _inputs(folder: Path) -> Iterator[tuple[str, str]]:
    """A digest of each file of the matrix and its contracts, as the run kept them."""
    files = sorted(file for file in folder.rglob("*") if is_file(file)) if is_folder(folder) else []
    for file in files:
        yield str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()[:12]

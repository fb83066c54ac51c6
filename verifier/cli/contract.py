"""`verifier contract OLD NEW`: compares two contracts in both directions."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from verifier.cli.options import examples
from verifier.contracts.changes import WHOLE, Change, changes
from verifier.contracts.compare import Tolerance, compare, explain
from verifier.contracts.load import load
from verifier.contracts.model import Contract
from verifier.contracts.verdicts import Comparison, ContractDifference
from verifier.errors import BadInput
from verifier.pointers import MISSING

_HEADERS = ("verdict", "rule", "columns", "operations", "part", "where", "why", "witness")
_WIDTHS = [None, None, 20, 30, 16, 36, 50, 36]
_LONGEST = 60_000  # characters of a comment on a pull request
_ROOM = 500  # characters of headings and of what is said about what was left out
_STATUS = {"compatible": 0, "breaking": 1, "unknown": 3}
_TOLERANCES = {
    "error-statuses": "error_statuses",
    "enum-values": "enum_values",
    "unknown-properties": "unknown_properties",
}


@click.command("contract", epilog=examples("verifier contract orders-1.4.yaml orders-2.0.yaml --format markdown"))
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option(
    "--tolerate",
    type=click.Choice(sorted(_TOLERANCES)),
    multiple=True,
    help="What readers accept beyond their contract; repeatable.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed for generated values.")
def contract(old: Path, new: Path, form: str, tolerate: tuple[str, ...], seed: int) -> None:
    """Compare two contracts in both directions: OpenAPI, Swagger, AsyncAPI or JSON Schema.

    Exit status: 0 compatible, 1 breaking, 2 bad input, 3 unknown. Skew is reported but does not fail the comparison.
    """
    try:
        first, second = load(old), load(new)
        _comparable(first, second)
    except BadInput as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    tolerance = Tolerance(**{_TOLERANCES[name]: True for name in tolerate})
    result = compare(first, second, tolerance, seed)
    click.echo({"json": as_json, "markdown": as_markdown, "text": as_text}[form](result))
    sys.exit(_STATUS[result.verdict])


def _comparable(old: Contract, new: Contract) -> None:
    families = [_family(item) for item in (old, new)]
    if families[0] != families[1]:
        raise BadInput.one(
            new.file, f"is {new.dialect}, but {Path(old.file).name} is {old.dialect}: they cannot be compared"
        )


def _family(item: Contract) -> str:
    return "openapi" if item.dialect == "swagger" else item.dialect


def as_json(result: Comparison) -> str:
    """One JSON object with a `schema` number; `witness` is null where `has_witness` is false.

    `changes` tells a change once, with all that it touches; `findings` tells it for each operation and direction.
    """
    whole = {
        "schema": 1,
        "verdict": result.verdict,
        "columns": dict(result.columns),
        "changes": [_change(item) for item in changes(result)],
        "findings": [_finding(item) for item in result.findings],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, default=str)


def _change(item: Change) -> dict[str, Any]:
    one = _finding(item.shown)
    shared = {key: one[key] for key in ("verdict", "rule", "pointer", "message", "witness", "has_witness")}
    return {
        **shared,
        "columns": list(item.columns),
        "operations": list(item.operations),
        "parts": list(item.parts),
        "findings": item.count,
    }


def _finding(item: ContractDifference) -> dict[str, Any]:
    shown = item.witness is not MISSING
    return {
        "column": item.column,
        "verdict": item.verdict,
        "rule": item.rule,
        "operation": item.operation,
        "pointer": item.pointer,
        "message": item.message,
        "witness": item.witness if shown else None,
        "has_witness": shown,
        "part": item.part,
    }


def as_text(result: Comparison) -> str:
    rows = [_row(item, "simple") for item in changes(result)]
    table = [tabulate(rows, _HEADERS, tablefmt="simple", maxcolwidths=_WIDTHS, disable_numparse=True)] if rows else []
    return "\n\n".join([_columns(result, "simple"), *table, f"verdict: {result.verdict}"])


def as_markdown(result: Comparison) -> str:
    """At most as long as a comment on a pull request may be. What does not fit is counted."""
    head, foot = _columns(result, "github"), f"**Verdict: {result.verdict}**"
    rows = [_row(item, "github") for item in changes(result)]
    kept, length = 0, len(head) + len(foot) + _ROOM
    while kept < len(rows) and (length := length + _length(rows[kept])) <= _LONGEST:
        kept += 1
    lines = [f"| {' | '.join(cells)} |" for cells in (_HEADERS, ("---",) * len(_HEADERS), *rows[:kept])]
    left = f"{len(rows) - kept} of {len(rows)} changes are left out; `--format json` has them all."
    return "\n\n".join([head, *(["\n".join(lines)] if kept else []), *([left] if kept < len(rows) else []), foot])


def _length(row: tuple[str, ...]) -> int:
    return sum(len(cell) + 3 for cell in row) + 2


def _columns(result: Comparison, form: str) -> str:
    rows = [(column, explain(column), verdict) for column, verdict in result.columns.items()]
    return tabulate(rows, ("column", "from .. to", "verdict"), tablefmt=form)


def _row(item: Change, form: str) -> tuple[str, ...]:
    shown = item.shown
    others = len(item.operations) - 1 if shown.rule in WHOLE else 0
    why = f"{shown.message}, and {others} more like it" if others else shown.message
    return (
        shown.verdict,
        shown.rule,
        _cell(_few(item.columns, 4), form),
        _cell(_few(item.operations, 3), form),
        _cell(_few(item.parts, 2), form),
        _cell(shown.pointer, form),
        _cell(why, form),
        _witness(shown, form),
    )


def _few(items: Sequence[str], most: int) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def _witness(item: ContractDifference, form: str) -> str:
    if item.witness is MISSING:
        return ""
    text = json.dumps(item.witness, ensure_ascii=True, default=str)
    return _cell(text if len(text) <= 200 else f"{text[:197]}...", form)


def _cell(text: str, form: str) -> str:
    """Escape the text: control characters would reach the terminal, and a bar would end a Markdown cell."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean.replace("|", "\\|") if form == "github" else clean

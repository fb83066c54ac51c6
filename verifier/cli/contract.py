"""`verifier contract OLD NEW`: compares two contracts in both directions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from verifier.cli.options import examples
from verifier.contracts.compare import Tolerance, compare, explain
from verifier.contracts.load import load
from verifier.contracts.model import Contract
from verifier.contracts.verdicts import Comparison, ContractDifference
from verifier.errors import BadInput
from verifier.pointers import MISSING

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
    """One JSON object with a `schema` number; `witness` is null where `has_witness` is false."""
    whole = {
        "schema": 1,
        "verdict": result.verdict,
        "columns": dict(result.columns),
        "findings": [_finding(item) for item in result.findings],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, default=str)


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
    return "\n\n".join([_columns(result, "simple"), *_findings(result, "simple"), f"verdict: {result.verdict}"])


def as_markdown(result: Comparison) -> str:
    return "\n\n".join([_columns(result, "github"), *_findings(result, "github"), f"**Verdict: {result.verdict}**"])


def _columns(result: Comparison, form: str) -> str:
    rows = [(column, explain(column), verdict) for column, verdict in result.columns.items()]
    return tabulate(rows, ("column", "from .. to", "verdict"), tablefmt=form)


def _findings(result: Comparison, form: str) -> list[str]:
    if not result.findings:
        return []
    rows = [
        (
            item.column,
            item.verdict,
            item.rule,
            item.operation,
            item.part,
            _cell(item.message, form),
            _witness(item, form),
        )
        for item in result.findings
    ]
    headers = ("column", "verdict", "rule", "operation", "part", "why", "witness")
    widths = [None, None, None, None, None, 60, 40] if form == "simple" else None
    return [tabulate(rows, headers, tablefmt=form, maxcolwidths=widths, disable_numparse=True)]


def _witness(item: ContractDifference, form: str) -> str:
    if item.witness is MISSING:
        return ""
    text = json.dumps(item.witness, ensure_ascii=True, default=str)
    return _cell(text if len(text) <= 200 else f"{text[:197]}...", form)


def _cell(text: str, form: str) -> str:
    """Escape the text: control characters would reach the terminal, and a bar would end a Markdown cell."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean.replace("|", "\\|") if form == "github" else clean

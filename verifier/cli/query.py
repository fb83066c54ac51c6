"""`verifier query RUN "select …"`: SQL over the history of a run."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import click

from verifier.cli.options import examples, seconds
from verifier.errors import BadInput, BrokenEnvironment
from verifier.history.store import read
from verifier.printable import one_line
from verifier.query import rows, schema
from verifier.query.database import SECONDS, Database, Result, WrongQuery
from verifier.rehearsal.pairs import has_pairs, load_judged


@click.command(
    epilog=examples(
        'verifier query run "select step, count(*) from operations where status >= 500 group by step"',
        "verifier query run --schema",
    )
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("sql", required=False)
@click.option("--schema", "only_schema", is_flag=True, help="Print the tables with their columns.")
@click.option("--json", "shape", flag_value="json", help="Print the rows as a JSON list of objects.")
@click.option("--csv", "shape", flag_value="csv", help="Print the rows as CSV.")
@click.option("--timeout", metavar="DURATION", help="Most time for the query.  [default: 30s]")
def query(run: Path, sql: str | None, only_schema: bool, shape: str | None, timeout: str | None) -> None:
    """Query the history of a run with SQL (DuckDB).

    The tables are operations, effects, ends, steps, mixtures, faults and violations. A query can only read, and is
    bounded in time and memory. Exit status: 0 also without rows, 2 bad input.
    """
    if only_schema:
        click.echo(schema.described(), nl=False)
        return
    if not sql:
        raise BadInput.one("query", "there is no SQL; --schema prints the tables")
    with Database(_tables(run)) as database:
        try:
            found = database.query(sql, SECONDS if timeout is None else seconds(timeout) or SECONDS)
        except WrongQuery as wrong:
            raise BadInput.one("query", str(wrong), line=wrong.line) from None
    if shape == "json" and len(set(found.columns)) < len(found.columns):
        raise BadInput.one("query", "two columns have one name; JSON needs a name for each")
    if found.cut_off:
        click.echo(f"only the first {len(found.rows)} rows are shown", err=True)
    click.echo({"json": _json, "csv": _csv}.get(shape or "", _text)(found), nl=False)


def _tables(run: Path) -> rows.Tables:
    """The tables of all pairs of a run. Raises BadInput. Without a verdict there are no violations."""
    try:
        _, pairs = load_judged(run)
    except BrokenEnvironment:
        return rows.tables(read(run))
    every: dict[str, list[Iterable[dict[str, Any]]]] = defaultdict(list)
    for pair in pairs:
        if pair.judged is None:
            continue
        judgement, history, _, _ = pair.judged
        name = pair.directory.name if has_pairs(run) else ""
        verdicts = {step.id: step.verdict for step in (*judgement.steps, *judgement.confirmation)}
        for table, found in rows.tables(history, name, verdicts).items():
            every[table].append(found)
        every["violations"].append(rows.violations(judgement.violations, name))
    return {table: chain.from_iterable(parts) for table, parts in every.items()}


def _text(found: Result) -> str:
    from tabulate import tabulate

    cells = [[_cell(value) for value in row] for row in found.rows]
    table = tabulate(cells, headers=list(map(one_line, found.columns)), tablefmt="simple", disable_numparse=True)
    return f"{table}\n({len(found.rows)} {'row' if len(found.rows) == 1 else 'rows'})\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _json(found: Result) -> str:
    return json.dumps([dict(zip(found.columns, row, strict=True)) for row in found.rows], indent=2) + "\n"


def _csv(found: Result) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(found.rows)
    return out.getvalue()

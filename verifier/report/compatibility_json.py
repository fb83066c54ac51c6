"""`compatibility.json`: the compatibility matrix for pipelines. `compatibility.schema.json` beside it describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from verifier.report.compatibility import Cell, rows
from verifier.report.pairs import PairsRun

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("compatibility.schema.json")


def render(run: PairsRun) -> str:
    """The matrix as JSON text that ends with a newline; equal values give equal bytes. Cells stand row by row."""
    document = {
        "schema": SCHEMA,
        "tool": run.tool,
        "matrix": run.matrix,
        "seed": run.seed,
        "runtime": run.runtime,
        "verdict": run.verdict,
        "versions": list(run.versions),
        "cells": [_cell(cell) for _, row in rows(run) for cell in row if cell is not None],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "from": cell.old,
        "to": cell.new,
        "direction": cell.direction,
        "verdict": cell.verdict,
        "basis": cell.basis,
        "attribution": cell.attribution,
        "cause": cell.cause,
        "reachable_through": [list(way) for way in cell.ways],
        "link": cell.link,
    }

"""Reports of several pairs in every format: the compatibility matrix first, then what each pair's own report says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

from verifier.printable import one_line, printable
from verifier.report import compatibility_json, html, pairs_json
from verifier.report.compatibility import Cell, rows
from verifier.report.markdown import SIGNS, fitting, plain
from verifier.report.pairs import NOT_RUN, PairsRun, headline, tried
from verifier.report.phrasing import SYMBOLS, shortened
from verifier.report.sarif import SCHEMA
from verifier.report.text import WIDTH, grid, wrapped

COUNTS = ("tests", "failures", "errors")
CORNER = "from \\ to"
LEGEND = (
    "Right of the diagonal versions go forward, left of it they are rolled back. Each cell is the evidence of a run, "
    "unless it says `contract only` or `not run`. `via` names releases in between: "
    "every part of this way passed on its own."
)

TRIED = "Tried on request, in a wrong order (does not count for the verdict)"


def text(run: PairsRun) -> str:
    """The matrix, a line for each cell that is no plain pass, and the report of each pair. Ends with a newline."""
    width = max(14, (WIDTH - 10) // len(run.versions) - 2)
    body = [[old, *(_shown(cell, width) for cell in row)] for old, row in rows(run)]
    head = f"{run.verdict.upper()}  {one_line(run.matrix)} · {run.runtime} runtime · seed {run.seed}"
    lines = [head, headline(run), "", *grid(body, [CORNER, *run.versions]), "", *wrapped(LEGEND, ""), ""]
    for _, row in rows(run):
        for cell in row:
            if cell is not None:
                where = f" ({cell.link})" if cell.link else ""
                lines += wrapped(f"{cell.old} → {cell.new} {cell.direction}: {cell.text}{where}", "")
    if run.attempts:
        lines += ["", TRIED, *(line for sentence in tried(run) for line in wrapped(sentence, "  "))]
    for result in run.results:
        if result.document is not None:
            lines += ["", "═" * WIDTH, one_line(f"pair {result}"), "", result.reports["text"].rstrip("\n")]
    return "\n".join(lines) + "\n"


def _shown(cell: Cell | None, width: int) -> str:
    """A cell of the table on a terminal: the sign, and what fits of the rest, the way there first."""
    if cell is None:
        return "·"
    if cell.verdict == "pass":
        return f"{SYMBOLS['pass']} {cell.basis}"
    told = filter(None, (cell.verdict, cell.through, "contract only" * (cell.basis == "contract only"),
                         cell.attribution, cell.cause))  # fmt: skip
    return f"{SYMBOLS.get(cell.verdict, '–')} {shortened(' · '.join(told), width - 2)}"


def markdown(run: PairsRun) -> str:
    """One comment. Reports of pairs that would make it too long are left out, and the comment says so."""
    table = [
        f"## {SIGNS[run.verdict]} {run.verdict}: versions of {plain(run.matrix)}",
        "",
        plain(headline(run)),
        "",
        f"| {plain(CORNER)} | " + " | ".join(plain(version) for version in run.versions) + " |",
        "|---|" + "---|" * len(run.versions),
    ]
    for old, row in rows(run):
        shown = (
            f"{SIGNS.get(cell.verdict, '–')} {cell.direction}: {plain(shortened(cell.text, 200))}" if cell else "·"
            for cell in row
        )
        table.append(f"| {plain(old)} | " + " | ".join(shown) + " |")
    table += ["", LEGEND]
    if run.attempts:
        table += ["", TRIED, "", *(f"- {plain(shortened(sentence, 500))}" for sentence in tried(run))]
    parts = [[*table, ""]]
    for result in run.results:
        if result.document is not None:
            parts.append([f"# {plain(str(result))}", "", result.reports["markdown"].rstrip("\n"), ""])
    return fitting(parts)


def page(run: PairsRun) -> str:
    """A small page with the matrix. Its cells link to the steps on the pages of the pairs."""
    values = {
        "run": run,
        "headline": headline(run),
        "rows": rows(run),
        "corner": CORNER,
        "legend": LEGEND,
        "attempts": run.attempts,
        "tried": TRIED,
    }
    return html.template("pairs.html").render(values).rstrip() + "\n"


def junit(run: PairsRun) -> str:
    """The suites of all pairs, named after the place of their pair. A pair that was not run is an error.

    The versions are a property, because names stay the same from release to release.
    """
    root = Element("testsuites", name=printable(run.matrix))
    seconds = 0.0
    for number, result in enumerate(run.results, 1):
        pair = f"pair {number} of {len(run.results)}"
        if result.document is None:
            suite = SubElement(root, "testsuite", name=pair, tests="1", failures="0", errors="1", skipped="0")
            _versions(suite, str(result))
            case = SubElement(suite, "testcase", classname=pair, name="the pair was run", time="0.000")
            SubElement(case, "error", type=NOT_RUN, message=one_line(result.reason))
            continue
        own = ElementTree.fromstring(result.reports["junit"])
        seconds += float(own.get("time", "0"))
        for suite in own:
            suite.set("name", f"{pair}: {suite.get('name')}")
            _versions(suite, str(result))
            for case in suite.iter("testcase"):
                case.set("classname", f"{pair} {case.get('classname')}")
            root.append(suite)
    root.set("time", f"{seconds:.3f}")
    for name in COUNTS:
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _versions(suite: Element, named: str) -> None:
    properties = Element("properties")
    SubElement(properties, "property", name="versions", value=one_line(named))
    suite.insert(0, properties)


def github(run: PairsRun) -> str:
    """The annotations of all pairs. A pair that was not run is an error."""
    missing = [one_line(f"{result}: {result.reason}") for result in run.results if result.document is None]
    lines = (f"::error title=not run::{told.replace('%', '%25')}\n" for told in missing)
    return "".join([*_reports(run, "github"), *lines])


def gitlab(run: PairsRun) -> str:
    """The entries of all pairs, each fingerprint once."""
    every = [entry for report in _reports(run, "gitlab") for entry in json.loads(report)]
    return json.dumps(list({entry["fingerprint"]: entry for entry in every}.values()), indent=2) + "\n"


def sarif(run: PairsRun) -> str:
    """A run of SARIF for each pair that was run."""
    documents = [json.loads(report) for report in _reports(run, "sarif")]
    for number, document in enumerate(documents, 1):
        document["runs"][0]["automationDetails"] = {"id": f"pair-{number}/"}
    runs = [entry for document in documents for entry in document["runs"]]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=2) + "\n"


def _reports(run: PairsRun, shape: str) -> list[str]:
    return [result.reports[shape] for result in run.results if result.document is not None]


MERGED: dict[str, Callable[[PairsRun], str]] = {
    "text": text,
    "markdown": markdown,
    "html": page,
    "junit": junit,
    "json": pairs_json.merged,
    "github": github,
    "gitlab": gitlab,
    "sarif": sarif,
}
FILES = {"compatibility.json": compatibility_json.render}  # beside those of MERGED

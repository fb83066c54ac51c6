"""Reports of several pairs in every format: the compatibility table first, then what each pair's own report says."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

from verifier.printable import one_line, printable
from verifier.report import html, pairs, pairs_json
from verifier.report.markdown import SIGNS, fitting, plain
from verifier.report.pairs import NOT_RUN, PairsRun, cells, headline
from verifier.report.phrasing import shortened

COUNTS = ("tests", "failures", "errors", "skipped")


def markdown(run: PairsRun) -> str:
    """One comment. Reports of pairs that would make it too long are left out, and the comment says so."""
    table = [
        f"## {SIGNS[run.verdict]} {run.verdict}: versions of {plain(run.matrix)}",
        "",
        plain(headline(run)),
        "",
        "| from \\\\ to | " + " | ".join(plain(version) for version in run.versions[1:]) + " |",
        "|---|" + "---|" * (len(run.versions) - 1),
    ]
    for old, row in cells(run):
        shown = (
            f"{SIGNS.get(cell.verdict, '–')} {plain(shortened(cell.text, 200))}" if cell.text else "" for cell in row
        )
        table.append(f"| {plain(old)} | " + " | ".join(shown) + " |")
    parts = [[*table, ""]]
    for result in run.results:
        if result.document is not None:
            parts.append([f"# {plain(str(result))}", "", result.reports["markdown"].rstrip("\n"), ""])
    return fitting(parts)


def page(run: PairsRun) -> str:
    """A small page with the table. Its cells link to the pages of the pairs."""
    values = {"run": run, "headline": headline(run), "rows": cells(run)}
    return html.template("pairs.html").render(values).rstrip() + "\n"


def junit(run: PairsRun) -> str:
    """The suites of all pairs, named after their pair. A pair that was not run is an error."""
    root = Element("testsuites", name=printable(run.matrix))
    seconds = 0.0
    for result in run.results:
        if result.document is None:
            suite = SubElement(root, "testsuite", name=printable(str(result)), tests="1", failures="0", errors="1")
            suite.set("skipped", "0")
            case = SubElement(suite, "testcase", classname=printable(str(result)), name="the pair was run")
            SubElement(case, "error", type=NOT_RUN, message=one_line(result.reason))
            continue
        own = ElementTree.fromstring(result.reports["junit"])
        seconds += float(own.get("time", "0"))
        for suite in own:
            suite.set("name", f"{printable(str(result))}: {suite.get('name')}")
            root.append(suite)
    root.set("time", f"{seconds:.3f}")
    for name in COUNTS:
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


MERGED: dict[str, Callable[[PairsRun], str]] = {
    "text": pairs.text,
    "markdown": markdown,
    "html": page,
    "junit": junit,
    "json": pairs_json.merged,
}

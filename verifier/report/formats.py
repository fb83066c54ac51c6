"""Every report format. A new one is one module that makes a `Format`, and one line here."""

from __future__ import annotations

from verifier.report import github, gitlab, html, junit, markdown, sarif, text, verdict_json
from verifier.report.format import Format

FORMATS: tuple[Format, ...] = (
    text.TEXT,
    markdown.MARKDOWN,
    html.HTML,
    junit.JUNIT,
    verdict_json.JSON,
    github.GITHUB,
    gitlab.GITLAB,
    sarif.SARIF,
)

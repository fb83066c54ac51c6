"""Reports about values that the analysis cannot explain."""

from __future__ import annotations

from verifier.correlation.model import Report
from verifier.recording.secret_map import PREFIX

_LONGEST_SHOWN = 60


def shown(text: str) -> str:
    """A recorded value as a message shows it: shortened if it is long."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def never_issued(text: str, via: str) -> Report:
    """A value that a service issued to the client before the recording began."""
    message = f"{via} is {shown(text)}, which no earlier response carries and which the client did not make up"
    if text.startswith(PREFIX):
        rule = f"credentials: {{{text}: {{env: NAME}}}}, or with rules: keep: [{text}] where nothing checks it"
        return Report("unmatched", message, rule)
    rule = f"keep: [{shown(text)}] if it exists before the run, else flows: [{{from: $response..., to: {via}}}]"
    if via.lower().startswith(("$request.header.", "$request.cookie.")):
        rule += (
            f"; for a secret, write {PREFIX}NAME into the recording and declare credentials: "
            f"{{{PREFIX}NAME: {{env: NAME}}}}"
        )
    return Report("unmatched", message, rule)


def rule_without_source(expression: str, via: str) -> Report:
    """A rule that names a value for a request which no earlier response has."""
    return Report(
        "unmatched",
        f"no earlier response has {expression}, which a rule names for {via}",
        f"flows: [{{from: ..., to: {via}}}]",
    )


def misnamed(text: str, via: str, expression: str, index: int) -> Report:
    """A value that equals an identifier in the response of exchange `index`, whose name does not fit."""
    return Report(
        "ambiguous",
        f"{via} is {text}, as is {expression} of exchange {index + 1}, whose name does not fit",
        f"flows: [{{from: {expression}, to: {via}}}], or keep: [{via}]",
    )

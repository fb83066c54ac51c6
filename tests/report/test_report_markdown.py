"""The pull request comment: short enough, and traffic adds no markup to it."""

from __future__ import annotations

import re
from dataclasses import replace

import report_hostile
import report_values as values
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.report import markdown


def outside_of_code(text: str) -> str:
    """The comment without its code blocks; fails where a block does not end."""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        marks = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif marks:
            fence = marks[0]
        else:
            kept.append(line)
    assert not fence
    return "\n".join(kept)


@settings(max_examples=60, deadline=None)
@given(report_hostile.texts)
def test_no_text_becomes_markup(text: str) -> None:
    told = outside_of_code(markdown.render(*report_hostile.run(text), values.TIMING))
    without_spans = re.sub(r"(?<![`\\])(`+)(?!`).+?(?<!`)\1(?!`)", "", told)
    without_escapes = re.sub(r"\\.", "", without_spans)
    tags = set(re.findall(r"<[^>]*>?", without_escapes))
    assert tags <= {"<details>", "</details>", "<summary>", "</summary>"}
    assert not re.search(r"[\[\]@]|://|www\.", without_escapes, re.IGNORECASE)
    for table in re.findall(r"(?:^\|.*\n)+", without_escapes, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


@given(st.text())
def test_a_code_block_holds_any_text(text: str) -> None:
    lines = markdown.fence(text)
    assert not lines or all(not line.startswith(lines[0].removesuffix("text")) for line in lines[1].split("\n"))


def test_code_spans_hold_backticks() -> None:
    assert markdown.code("a``b") == "``` a``b ```"
    assert markdown.code("a") == "`a`"


def test_nobody_is_mentioned_and_nothing_is_linked() -> None:
    told = markdown.plain("@everyone #12 http://evil.example www.evil.example a&b")
    assert "@" not in told
    assert "http://" not in told
    assert "www.e" not in told
    assert "&amp;" not in told and "a&#38;" in told


def test_the_comment_fits_into_one() -> None:
    long = tuple(
        replace(values.DOUBLED, operation=f"o{number}", message="m" * 5000, reproduce="r" * 9000)
        for number in range(40)
    )
    told = markdown.render(values.judgement(long, ("u" * 900,) * 90), values.history(), values.plan(), values.TIMING)
    assert len(told) < 65_536
    assert "omitted: too long for one comment" in told


def test_one_that_is_short_is_whole() -> None:
    told = markdown.render(values.judgement(), values.history(), values.plan(), values.TIMING)
    assert "omitted: too long" not in told
    assert told.count("<details>") == told.count("</details>") == 5

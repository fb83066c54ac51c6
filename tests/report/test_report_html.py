"""The page: self-contained, inert whatever the traffic held, and every link leads somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import report_hostile
import report_values as values
from hypothesis import example, given, settings

from verifier.report import html
from verifier.report.ids import ids


class Outline(HTMLParser):
    """The tags of a page with the names of their attributes, its ids and its links."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page() -> str:
    return html.render(values.judgement(), values.history(), values.plan(), values.TIMING)


def test_the_page_says_what_happened() -> None:
    text = " ".join(" ".join(Outline(page()).text).split())
    for said in (
        values.DOUBLED.message,
        values.DOUBLED.experience,
        "Do not retry; reverse 1 × psp.charge.",
        "applied again (2)",
        "it appears only while versions are mixed",
        "orders declares getOrder freshness, and no operation tested it",
        "9 × faults on reads: a read has no effect",
    ):
        assert said in text


def test_every_link_leads_to_one_place_on_the_page() -> None:
    outline = Outline(page())
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.links
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)


def test_a_failing_cell_links_to_its_evidence_and_one_that_held_does_not() -> None:
    row = re.search(r'<tr id="step-3">.*?</tr>', page(), re.DOTALL)
    assert row is not None
    assert re.findall(r'<a class="(\w+)" href="#(\w+)"', row[0]) == [("before", "v2"), ("fail", "v1")]
    calm = re.search(r'<tr id="step-6">.*?</tr>', page(), re.DOTALL)
    assert calm is not None
    assert "<a" not in calm[0]


def test_nothing_is_loaded_and_nothing_runs() -> None:
    outline = Outline(page())
    assert all(link.startswith("#") for link in outline.links)
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    assert not any(name.startswith("on") for _, names in outline.tags for name in names)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page()))
    assert "@import" not in page()
    assert "default-src 'none'" in page()


def test_secrets_of_the_traffic_stay_out() -> None:
    assert "Bearer secret" in repr(values.history())
    assert "Bearer secret" not in page()


def test_a_script_in_a_body_is_shown_and_inert() -> None:
    text = html.render(*report_hostile.run("<script>alert(1)</script>"), values.TIMING)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@settings(max_examples=40, deadline=None)
@given(report_hostile.texts)
@example("<script>alert(1)</script>")
@example("</style><script>alert(1)</script>")
def test_no_text_changes_the_structure_of_the_page(text: str) -> None:
    """Equal tags and attributes as with a harmless text: nothing in traffic becomes markup."""
    hostile = html.render(*report_hostile.run(text), values.TIMING)
    calm = html.render(*report_hostile.run("x"), values.TIMING)
    assert Outline(hostile).tags == Outline(calm).tags
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffe\uffff]", hostile)
    hostile.encode()


def test_equal_values_give_equal_pages() -> None:
    assert page() == page()


def _places(text: str, *parts: str) -> list[int]:
    return [text.index(part) for part in parts]


def test_causes_come_first_and_what_was_not_looked_at_comes_last() -> None:
    text = page()
    order = _places(text, "Do not deploy this way", 'id="violations"', 'id="felt"', 'id="rollout"', 'id="matrix"',
                    'id="others"', 'id="unknowns"', 'id="coverage"', 'id="ledger"')  # fmt: skip
    assert order == sorted(order)
    folded = text[text.index('id="others"') :]
    assert folded.count('<details class="fold">') >= 5 and '<details class="fold" open' not in folded


def test_what_keeps_a_verdict_unknown_comes_first() -> None:
    judgement = values.judgement(())
    text = html.render(judgement, values.history(), values.plan(), values.TIMING)
    assert judgement.verdict == "unknown"
    order = _places(text, 'id="unknowns"', 'id="violations"')
    assert order == sorted(order)
    assert not re.search(r"<summary>[^/]*Not verified", text)


def test_a_violation_has_a_timeline_and_the_command_that_shrinks_it() -> None:
    text = page()
    assert text.count('<figure class="life">') == 2
    assert "0 ms  POST /orders → orders 1.4: 202 lost, lost-answer" in text
    for name in ids(values.judgement()):
        assert f"verifier shrink RUN {name}" in text


def test_the_page_can_be_used_with_the_keyboard_and_on_a_narrow_screen() -> None:
    text = page()
    assert '<a class="skip" href="#violations">' in text
    assert text.count('class="scroll"') == text.count('class="scroll" tabindex="0" role="region" aria-label=')
    assert "tabindex" not in re.sub(r'class="[\w ]*scroll" tabindex="0" role="region" aria-label=', "", text)
    wide = re.findall(r"<table(?![^>]*cards)[^>]*>", text)
    before = re.findall(r'role="region" aria-label="[^"]*"><table(?![^>]*cards)[^>]*>', text)
    assert len(wide) - len(before) <= 1, "a table that cannot be narrow scrolls by itself"


def test_printing_shows_what_is_folded() -> None:
    style = page().partition("<style>")[2].partition("</style>")[0]
    printed = style[style.index("@media print") :]
    assert "details::details-content { content-visibility: visible;" in printed


def test_a_large_run_has_a_page_of_bounded_size() -> None:
    many = tuple(replace(values.DOUBLED, operation=f"operation{number}") for number in range(1000))
    text = html.render(values.judgement(many), values.history(), values.plan(), values.TIMING)
    assert len(text.encode()) < 5_000_000
    assert text.count('<figure class="life">') == html.IN_FULL
    assert all(f"operation{number} " in text for number in (0, 500, 999))

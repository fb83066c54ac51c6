"""The page: self-contained, inert whatever the traffic held, and every link leads somewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import report_hostile
import report_values as values
from hypothesis import example, given, settings

from verifier.report import html


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

"""Path templates: which paths they match; tests/contracts/test_expressions.py reads their variables."""

from __future__ import annotations

import pytest

from verifier.paths import matches


@pytest.mark.parametrize(
    ("template", "path", "fits"),
    [
        ("/orders", "/orders", True),
        ("/orders", "/orders/", False),
        ("/orders", "/v1/orders", False),
        ("/orders/{}", "/orders/7", True),
        ("/orders/{id}", "/orders/7", True),
        ("/orders/{}", "/orders/", False),
        ("/orders/{}", "/orders/7/items", False),
        ("/orders/{}/items/{}", "/orders/7/items/8", True),
        ("/files/{}.json", "/files/a.json", True),
        ("/files/{}.json", "/files/a.xml", False),
        ("/a b/{}", "/a%20b/c%2Fd", True),
        ("/a.c", "/abc", False),
    ],
)
def test_templates_match_whole_paths(template: str, path: str, fits: bool) -> None:
    assert matches(template, path) is fits

"""The digests of an image: its id and those of registries, by which deployments name it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from verifier.runtime import images

ID, IN_REGISTRY = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def client(repositories: Any) -> Any:
    image = SimpleNamespace(id=ID, attrs={"RepoDigests": repositories})
    return SimpleNamespace(images=SimpleNamespace(get=lambda name: image))


@pytest.mark.parametrize(
    ("repositories", "expected"),
    [
        ([f"host:5000/shop/orders@{IN_REGISTRY}", f"other/orders@{IN_REGISTRY}"], (ID, IN_REGISTRY)),
        ([f"shop/orders@{ID}"], (ID,)),
        ([], (ID,)),
        (None, (ID,)),
    ],
)
def test_an_image_has_its_id_and_its_digests_in_registries(repositories: Any, expected: tuple[str, ...]) -> None:
    assert images.digests(client(repositories), "shop/orders:2.0") == expected

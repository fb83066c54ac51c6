"""Containers start with an init, except where the image brings one or the engine has none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from verifier.runtime.init_process import Init, brings_init

MISSING = 'exec: "docker-init": executable file not found in $PATH'


class Engine:
    """An engine that has no init, or fails for another reason."""

    def __init__(self, failure: str, config: dict[str, Any] | None = None) -> None:
        self.failure = failure
        self.made: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.containers = self
        self.api = self
        self.images = SimpleNamespace(get=lambda name: SimpleNamespace(attrs={"Config": config or {}}))

    def create(self, image: str, command: list[str] | None, **arguments: Any) -> Any:
        self.made.append({"image": image, "command": command, **arguments})
        return SimpleNamespace(id=f"c{len(self.made)}")

    def start(self, identity: str) -> None:
        wrong = self.failure if self.failure != MISSING or self.made[-1]["init"] else ""
        if wrong:
            raise APIError("500 Server Error", explanation=wrong)

    def remove_container(self, identity: str, **how: Any) -> None:
        self.removed.append(identity)


def test_an_engine_without_an_init_starts_containers_without_one() -> None:
    engine, init = Engine(MISSING), Init()
    assert init.start(engine, "shop:1", None, {"name": "a"}) == "c2"  # type: ignore[arg-type]
    assert init.start(engine, "shop:1", None, {"name": "b"}) == "c3"  # type: ignore[arg-type]
    assert [(made["name"], made["init"]) for made in engine.made] == [("a", True), ("a", False), ("b", False)]
    assert engine.removed == ["c1"], "its name is free for the second one"


def test_any_other_failure_is_told() -> None:
    engine, init = Engine('exec: "serve": executable file not found in $PATH'), Init()
    with pytest.raises(APIError):
        init.start(engine, "shop:1", ["serve"], {})  # type: ignore[arg-type]
    assert (len(engine.made), engine.removed, init.available) == (1, ["c1"], True)


@pytest.mark.parametrize(
    ("config", "command", "expected"),
    [
        ({"Entrypoint": ["/init"], "Cmd": ["serve"]}, None, True),
        ({"Entrypoint": ["/usr/bin/tini", "--"]}, ["serve"], True),
        ({"Cmd": ["dumb-init", "serve"]}, None, True),
        ({"Cmd": ["dumb-init", "serve"]}, ["serve"], False),
        ({"Entrypoint": None, "Cmd": None}, ["serve"], False),
        ({"Entrypoint": ["serve"]}, ["init"], False),
        ({}, None, False),
    ],
)
def test_an_image_with_an_init_of_its_own_gets_no_second_one(
    config: dict[str, Any], command: list[str] | None, expected: bool
) -> None:
    assert brings_init(config, command) is expected
    engine = Engine("", config)
    Init().start(engine, "shop:1", command, {})  # type: ignore[arg-type]
    assert engine.made[0]["init"] is not expected

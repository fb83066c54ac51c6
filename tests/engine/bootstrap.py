"""Both parts in order: an engine that answers, then the images."""

from __future__ import annotations

from pathlib import Path

from tests.engine import daemon, images
from tests.engine.system import Unavailable

RECORD = Path(__file__).resolve().parents[2] / ".verifier" / "tests-engine.json"


def say(message: str) -> None:
    print(f"engine: {message}", flush=True)


def up() -> None:
    """Have an engine with the images. Raises Unavailable with the reason."""
    daemon.bring_up(RECORD, daemon.look(), say)
    images.ensure(say)


def check() -> None:
    """Like `up`, but for an engine that is there already: none is started."""
    if not daemon.answers():
        raise Unavailable("none answers; `python -m tests.engine up` starts one where that is possible")
    images.ensure(say)


def down() -> bool:
    """End the engine if the tests started it; True if they had."""
    return daemon.end(RECORD)

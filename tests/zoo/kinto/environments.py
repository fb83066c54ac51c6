"""Kinto from PyPI, a release each in `.verifier/zoo/kinto`: `python -m tests.zoo.kinto.environments` makes them."""

from __future__ import annotations

from pathlib import Path

from tests.zoo import environments

HERE = Path(__file__).resolve().parent
RELEASES = ("13.6.4", "13.6.6")


def ensure(release: str) -> Path:
    """The folder of a release's environment. Raises NotInstalled."""
    return environments.ensure(f"kinto/{release}", HERE / "requirements.txt", f"kinto=={release}")


if __name__ == "__main__":
    for name in RELEASES:
        print(ensure(name))

"""PostgreSQL's own programs, which `process: postgres` needs; in CI they are installed where they are missing."""

from __future__ import annotations

from pathlib import Path

from tests.engine.system import install
from verifier.errors import BrokenEnvironment
from verifier.runtime.stores.postgres import binaries

SETTINGS = Path("/etc/postgresql-common/createcluster.conf")


def present() -> bool:
    try:
        binaries(None)
    except BrokenEnvironment:
        return False
    return True


def provide() -> None:
    """Install Debian's server, without the cluster that it would make and start. Raises tests.engine's Unavailable."""
    install(("postgresql-common",))
    with SETTINGS.open("a") as settings:
        settings.write("\ncreate_main_cluster = false\n")
    install(("postgresql",))

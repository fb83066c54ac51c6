"""Servers that the process runtime starts from the programs on this machine, fresh for each path."""

from __future__ import annotations

import os
import shutil

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import StoreSpec

# Debian's rabbitmq-server in PATH changes to a user of its own, without the environment; the one behind it does not.
_FIRST = ("/usr/lib/rabbitmq/bin",)
_ALSO = ("/usr/sbin", "/usr/local/sbin")  # where a user's PATH does not look


def program(spec: StoreSpec, names: tuple[str, ...], package: str) -> str:
    """The first of these programs that is on this machine. Raises BrokenEnvironment, which names Debian's package."""
    for name in names:
        for places in (os.pathsep.join(_FIRST), None, os.pathsep.join(_ALSO)):
            found = shutil.which(name, path=places)
            if found is not None:
                return found
    raise BrokenEnvironment(
        f"store {spec.name}: `process: {spec.process}` needs the program {' or '.join(names)} on this machine; "
        f"Debian's package is {package}"
    )

"""pytest-xdist: all items of a matrix run on one worker, because they read one rehearsal. Other tests are spread."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

YAML = (".yaml", ".yml")


class MatrixScheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """A matrix is one unit of work, and so is every other test."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if Path(file).suffix in YAML else nodeid


def expects_matrices(config: pytest.Config) -> bool:
    """Whether the arguments of the session can contain a matrix. Where none can, nothing is scheduled differently."""
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(
        path.suffix in YAML or path.name == "matrices" or next(path.glob("**/matrices/*.y*ml"), None) is not None
        for path in paths
    )

"""The entry point of the pytest plugin: its options, the collection of matrices, and the fixtures.

pytest imports this module in every session of an environment in which the verifier is installed, so it imports nothing
of the verifier until there is a matrix.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from verifier.pytest_plugin import RUN

MOST = 1 << 20  # bytes of a file that are searched
_MATRIX = re.compile(rb"^(services|traffic)[ \t]*:", re.MULTILINE)
_PAIR = "mixed_version_pair"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mixed-version", "rehearsals of rollouts (matrices)")
    group.addoption(
        "--mixed-version-per",
        choices=["step", "guarantee", "matrix"],
        default="step",
        help="What one test is: a guarantee in a step (default), a guarantee in all steps, or a whole matrix.",
    )
    group.addoption(
        "--mixed-version-allow-unknown",
        action="store_true",
        help="Skip what could not be verified, instead of failing it.",
    )
    group.addoption("--mixed-version-runtime", default="auto", metavar="NAME", help="As `verifier run --runtime`.")
    group.addoption("--mixed-version-seed", type=int, default=0, metavar="N", help="As `verifier run --seed`.")
    group.addoption("--mixed-version-budget", metavar="TIME", help="As `verifier run --budget`, such as 2m.")
    group.addoption(
        "--mixed-version-run",
        action="append",
        default=[],
        metavar="RUN",
        help="Judge this run directory of a matrix instead of rehearsing it; repeatable.",
    )
    parser.addini(
        "mixed_version_matrices",
        "Files that are collected as matrices when they are not named themselves.",
        type="args",
        default=["matrices/*.yaml", "matrices/*.yml"],
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "mixed_version(matrix, **choices): run the test once for each pair of versions of this matrix, "
        f"with the fixture {_PAIR}.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file that is named on the command line, or that stands where matrices are and looks like one."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    patterns = parent.config.getini("mixed_version_matrices")
    if not parent.session.isinitpath(file_path) and not any(map(file_path.match, patterns)):
        return None
    with file_path.open("rb") as file:
        if not _MATRIX.search(file.read(MOST)):
            return None
    from verifier.pytest_plugin.items import MatrixFile

    found: pytest.Collector = MatrixFile.from_parent(parent, path=file_path)
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a matrix goes to one worker. `--dist` of a user's own choice stays as it is."""
    if config.getoption("dist", "no") not in ("load", "worksteal"):
        return None
    from verifier.pytest_plugin.scheduling import MatrixScheduling, expects_matrices

    return MatrixScheduling(config, log) if expects_matrices(config) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the mark `mixed_version` runs once for each pair of versions of its matrix."""
    marker = metafunc.definition.get_closest_marker("mixed_version")
    if marker is None or _PAIR not in metafunc.fixturenames:
        return
    from verifier.pytest_plugin.fixture import pairs_of

    found = pairs_of(metafunc.config, metafunc.definition.path.parent, *marker.args, **marker.kwargs)
    metafunc.parametrize(_PAIR, [pair for _, pair in found], ids=[name for name, _ in found], indirect=True)


@pytest.fixture
def mixed_version(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Rehearses a matrix: `result = mixed_version("shop.yaml")`; `assert result.passed`. See `Rehearse`."""
    from verifier.pytest_plugin.fixture import Rehearse

    return Rehearse(request, tmp_path)


@pytest.fixture
def mixed_version_pair(request: pytest.FixtureRequest, mixed_version: Any) -> Any:
    """The result for one pair of versions of the matrix that the mark `mixed_version` names."""
    marker = request.node.get_closest_marker("mixed_version")
    if marker is None or not hasattr(request, "param"):
        raise pytest.UsageError(f"{_PAIR} needs @pytest.mark.mixed_version(MATRIX)")
    return mixed_version(*marker.args, **marker.kwargs, pair=request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that fails after a rehearsal shows the report of the run."""
    report = yield
    if report.failed and report.when == "call":
        for result in getattr(item, "mixed_version_results", ()):
            report.sections.append((f"mixed-version rehearsal of {result.matrix}", result.report))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where the run directories are, with their reports."""
    runs = dict.fromkeys(
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == RUN
    )
    if runs:
        terminalreporter.section("mixed-version runs")
        for directory in runs:
            terminalreporter.line(f"{directory}/report.html")

"""`verifier init --old REF --new REF`: the files of two commits are exported and become two versions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.small_matrix import ENTRIES, recording
from verifier.cli.init import init
from verifier.errors import BadInput
from verifier.matrix.parse import parse
from verifier.runtime.stores.registered import PROCESS_STORES, parts

COMPOSE = """\
services:
  orders:
    build: ./orders
    command: python app.py --port 8080
    ports: ["8080:8080"]
    env_file: [local.env]
    environment: {LEVEL: "%s", TOKEN: "${TOKEN}"}
    depends_on: [payments]
  payments: {build: ./payments, ports: ["8000:8000"]}
"""


def git(*words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True, capture_output=True
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the tag v1 and a later commit; two files are not in it."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for name in ("orders", "payments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "orders" / "app.py").write_text("RELEASE = 1\n")
    (tmp_path / "compose.yaml").write_text(COMPOSE % "low")
    (tmp_path / ".gitignore").write_text("local.env\n.env\n")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "v1")
    (tmp_path / "orders" / "app.py").write_text("RELEASE = 2\n")
    (tmp_path / "compose.yaml").write_text(COMPOSE % "high")
    git("commit", "-qam", "second")
    (tmp_path / "local.env").write_text("LOCAL=1\n")
    (tmp_path / ".env").write_text("TOKEN=abc\n")
    (tmp_path / "orders.har").write_text(recording(ENTRIES))
    return tmp_path


def run(*arguments: str) -> str:
    flags = ("--service", "orders", "--recording", "orders.har", *arguments)
    done = CliRunner().invoke(init, flags, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Path("matrices/orders.yaml").read_text()


def test_each_commit_is_a_version_that_is_built_from_its_own_files(repository: Path) -> None:
    run("--old", "v1", "--new", "HEAD")
    matrix = parse(repository / "matrices" / "orders.yaml", PROCESS_STORES, {}, parts)
    orders, payments = matrix.services
    assert [version.name for version in orders.versions] == ["v1", "HEAD"]
    for version, release, level in zip(orders.versions, (1, 2), ("low", "high"), strict=True):
        assert version.build is not None and version.build.context == version.directory
        assert (version.directory / "app.py").read_text() == f"RELEASE = {release}\n"
        assert dict(version.environment) == {"LEVEL": level, "TOKEN": "abc", "LOCAL": "1"}
        assert version.command == ("python", "app.py", "--port", "{port}")
    assert len(payments.versions) == 1, "its files are the same in both commits"
    done = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    assert "sources" not in done


def test_an_image_may_follow_a_commit(repository: Path) -> None:
    run("--old", "git:v1", "--new", "shop/orders:2")
    orders = parse(repository / "matrices" / "orders.yaml", PROCESS_STORES, {}, parts).services[0]
    assert [(version.name, version.image) for version in orders.versions] == [("v1", None), ("2", "shop/orders:2")]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("v1", "git:v9", "is in no git repository with a commit 'v9'"),
        ("v1", "main~1", "orders is the same in both versions"),
        ("git:--all", "v1", "is in no git repository with a commit '--all'"),
    ],
)
def test_what_is_no_other_commit_is_refused(repository: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        run("--old", old, "--new", new)
    assert not Path("matrices/orders.yaml").exists()


def test_a_service_without_a_build_has_no_commits(repository: Path) -> None:
    (repository / "compose.yaml").write_text("services: {orders: {image: 'shop/orders:1', ports: ['80:80']}}\n")
    assert "image: v1}" in run("--old", "v1", "--new", "shop/orders:2"), "an image, not a commit"
    Path("matrices/orders.yaml").unlink()
    git("commit", "-qam", "third")
    with pytest.raises(BadInput, match="orders has no `build`, so it cannot be built from commit"):
        run("--old", "git:main", "--new", "shop/orders:2")

"""A short part of the fuzzer of the command line; `python -m tests.fuzz.command_line` runs the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.command_line import main, wrong
from tests.fuzz.command_line_inputs import write_inputs, write_run
from tests.in_process import Told, call


def test_what_the_fuzzer_starts_from_is_good(tmp_path: Path) -> None:
    for name, write in (("in", write_inputs), ("run", write_run)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    for matrix in ("words.yaml", "jsonl.yaml", "gor.yaml", "shop.yaml"):
        told = call("plan", tmp_path / "in" / matrix)
        assert told.status == 0, told.err
    for new in ("shop/orders:2.0", tmp_path / "in" / "new.yaml"):
        images = ["--old", "shop/orders:1.4", "--new", new]
        told = call("init", tmp_path / "in" / "compose.yaml", "--service", "orders", *images, "--out",
                    tmp_path / f"{Path(new).name}.matrix.yaml")  # fmt: skip
        assert told.status == 0, told.err
    files = [word for name in ("app", "rest") for word in ("--from-kubernetes", tmp_path / "in" / f"{name}.yaml")]
    told = call("init", *files, "--service", "orders", "--old", "shop/orders:1.4", "--new", "shop/orders:2.0",
                "--out", tmp_path / "of-manifests.yaml")  # fmt: skip
    assert told.status == 0, told.err
    assert call("redact", tmp_path / "in" / "secrets.har", "--out", tmp_path / "copy.har").status == 0
    assert call("contract", tmp_path / "in" / "1.yaml", tmp_path / "in" / "2.yaml").status == 1
    assert call("report", tmp_path / "run").status == 0


@pytest.mark.slow
def test_no_mutant_ends_in_a_traceback_a_hang_or_without_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mutants", "5000", "--seconds", "20", "--seed", "14"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (Told(2, "", "m.yaml:1: is empty\n"), ""),
        (Told(2, "", ""), "no message"),
        (Told(70, "", "x"), "traceback"),
        (Told(1, "Traceback (most recent call last):\n", ""), "traceback"),
        (Told(4, "", "The environment broke; no verdict. no memory is left\n"), "memory"),
        (Told(130, "", "x"), "status 130"),
        (Told(2, "", "\x1b[2J"), "control character"),
    ],
)
def test_a_wrong_ending_is_told_from_a_proper_one(told: Told, reason: str) -> None:
    assert wrong(told) == reason

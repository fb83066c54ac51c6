"""From a matrix to its pairs of versions, and the key `pairs` with everything that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.plan.systems import matrix, service, version
from verifier.errors import BadInput
from verifier.matrix.model import Matrix, Migrations, Traffic
from verifier.matrix.pairs import Pair, left_out, pairs, versions
from verifier.matrix.parse import parse


def system(asked: str | tuple[tuple[str, str], ...] = "adjacent", **counts: int) -> Matrix:
    """Services by name with so many versions, called 1, 2, and so on."""
    services = [service(name, [version(str(number + 1)) for number in range(count)]) for name, count in counts.items()]
    return replace(matrix(services), pairs=asked)


def upgrades(found: tuple[Pair, ...]) -> list[dict[str, str]]:
    return [
        {entry.name: "→".join(version.name for version in entry.versions) for entry in pair.matrix.services}
        for pair in found
    ]


def test_two_versions_are_one_pair_and_the_matrix_stays_as_it_is() -> None:
    made = system(orders=2, web=1)
    (pair,) = pairs(made)
    assert pair.matrix == made
    assert (str(pair), pair.name) == ("1 → 2", "1-2")


def test_adjacent_pairs_upgrade_every_service_by_position_and_short_ones_stay_at_their_last() -> None:
    found = pairs(system(web=1, payments=2, orders=4))
    assert [str(pair) for pair in found] == ["1 → 2", "2 → 3", "3 → 4"]
    assert upgrades(found) == [
        {"web": "1", "payments": "1→2", "orders": "1→2"},
        {"web": "1", "payments": "2", "orders": "2→3"},
        {"web": "1", "payments": "2", "orders": "3→4"},
    ]
    last = found[2].matrix
    assert [entry.name for entry in last.service("orders").before] == ["1", "2"]
    assert [entry.name for entry in last.service("payments").before] == ["1"]


def test_all_pairs_go_past_versions_in_between() -> None:
    found = pairs(system("all", orders=3, payments=2))
    assert [pair.name for pair in found] == ["1-2", "1-3", "2-3"]
    assert upgrades(found)[1] == {"orders": "1→3", "payments": "1→2"}
    assert [entry.name for entry in found[1].matrix.service("orders").skipped] == ["2"]
    assert [pairs(pair.matrix) for pair in found] == [(pair,) for pair in found], "the matrix of a pair has that pair"


def test_explicit_pairs_are_those_that_are_asked_for_and_the_others_are_told() -> None:
    made = system((("1", "3"),), orders=4)
    found = pairs(made)
    assert [pair.name for pair in found] == ["1-3"]
    assert versions(made) == ("1", "2", "3", "4")
    assert [sentence.split(",")[0] for sentence in left_out(made, found)] == [
        "orders 2 is never run",
        "orders 4 is never run",
    ]
    assert left_out(system(orders=4), pairs(system(orders=4))) == ()


def test_an_upgrade_runs_the_migrations_of_the_versions_that_it_skips() -> None:
    first, second, third = (
        version(name, migrations=Migrations(expand=("expand", name), undo=("undo", name))) for name in "123"
    )
    made = replace(matrix([service("orders", [first, second, third])]), pairs="all")
    orders = pairs(made)[1].matrix.service("orders")
    assert [entry.name for entry in orders.migrating("expand")] == ["2", "3"]
    assert [entry.name for entry in orders.migrating("undo")] == ["3", "2"]
    assert orders.migrating("contract") == ()
    assert [entry.name for entry in pairs(made)[0].matrix.service("orders").migrating("expand")] == ["2"]


def test_folders_have_safe_names_of_their_own() -> None:
    names = ("a/b", "a b", "..", "a/b x")
    made = matrix([service("orders", [version(name) for name in names])])
    found = [pair.name for pair in pairs(replace(made, pairs="all"))]
    assert len(set(found)) == len(found) == 6
    assert found[:2] == ["a-b-a-b", "a-b-run"]
    twins = matrix([service("orders", [version(name) for name in ("x/1", "y", "x-1", "y ")])])
    assert [pair.name for pair in pairs(twins)] == ["x-1-y", "y-x-1", "x-1-y-2"]


def test_a_client_that_is_newer_than_the_pair_is_not_replayed_and_that_is_told() -> None:
    old, new = (Traffic(Path(f"{client}.har"), client, "orders") for client in ("1", "3"))
    made = replace(system(orders=3), traffic=(old, new))
    found = pairs(made)
    assert [[entry.client for entry in pair.matrix.traffic] for pair in found] == [["1"], ["1", "3"]]
    assert [sentence.split(",")[0] for sentence in left_out(made, found)] == ["3.har is not replayed in the pair 1 → 2"]
    alone = pairs(replace(made, traffic=(new,)))
    assert [entry.client for entry in alone[0].matrix.traffic] == ["3"], "something must be replayed"


def test_attempts_are_rollouts_of_their_own_where_there_are_such_migrations() -> None:
    first, second, third = (
        version("1"),
        version("2", migrations=Migrations(expand=("e",))),
        version("3", migrations=Migrations(contract=("c",))),
    )
    made = replace(
        matrix([service("orders", [first, second, third])]), attempts=("contract-early", "new-before-expand")
    )
    found = pairs(made)
    assert [(pair.name, str(pair), pair.attempt) for pair in found] == [
        ("1-2", "1 → 2", ""),
        ("1-2-new-before-expand", "1 → 2 (new-before-expand)", "new-before-expand"),
        ("2-3", "2 → 3", ""),
        ("2-3-contract-early", "2 → 3 (contract-early)", "contract-early"),
    ]
    assert [pair.matrix.rollout.attempt for pair in found] == [pair.attempt for pair in found]
    assert [pairs(pair.matrix)[0].matrix for pair in found] == [pair.matrix for pair in found]


TEXT = """\
services:
  orders:
    port: 80
    command: serve
    versions: {"1.4": {}, "2.0": {}, "2.1": {}}
  web:
    port: 80
    command: serve
    versions: {"7": {}}
traffic: [{recording: r.har}]
pairs: PAIRS
"""


def read(folder: Path, asked: str) -> Matrix:
    (folder / "r.har").write_text("{}")
    (folder / "m.yaml").write_text(TEXT.replace("PAIRS", asked))
    return parse(folder / "m.yaml", ())


def test_the_key_reads_words_and_lists(tmp_path: Path) -> None:
    assert read(tmp_path, "adjacent").pairs == "adjacent"
    assert read(tmp_path, "all").pairs == "all"
    assert read(tmp_path, '[[1.4, 2.0], ["1.4", "2.1"]]').pairs == (("1.4", "2.0"), ("1.4", "2.1"))


@pytest.mark.parametrize(
    ("asked", "key", "message"),
    [
        ("every", "pairs", "must be adjacent, all or a list of pairs"),
        ("3", "pairs", "must be adjacent, all or a list of pairs"),
        ("[]", "pairs", "names no pair"),
        ("[1.4]", "pairs[0]", "must be a list"),
        ("[[1.4]]", "pairs[0]", "must be a pair [OLD, NEW], not 1 names"),
        ("[[1.4, 3.0]]", "pairs[0]", "no service has a version '3.0'"),
        ("[[2.0, 1.4]]", "pairs[0]", "'2.0' must be older than '1.4'"),
        ("[[2.0, 2.0]]", "pairs[0]", "'2.0' must be older than '2.0'"),
        ("[[1.4, 7]]", "pairs[0]", "no service has both '1.4' and '7'"),
        ("[[1.4, 2.0], [1.4, 2.0]]", "pairs[1]", "is repeated"),
    ],
)
def test_what_is_no_pair_is_told_with_its_place(tmp_path: Path, asked: str, key: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, asked)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == (str(tmp_path / "m.yaml"), 11, key)
    assert message in problem.message

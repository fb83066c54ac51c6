"""Invariants over PostgreSQL can only read, and for a bounded time, also as the server's superuser."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres_server import serving
from verifier.rehearsal import invariants
from verifier.rehearsal.invariants import of_postgres
from verifier.runtime.stores import postgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(postgres.Account("postgres", "verifier", "postgres")) as found:
        with psycopg.connect(found, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id text, amount numeric)")
            connection.execute("INSERT INTO t VALUES ('b', 2), ('a', 1.5)")
        yield found


def test_rows_are_objects_in_a_stable_order(url: str) -> None:
    assert of_postgres(url, "SELECT id, amount FROM t") == [
        '{"id": "a", "amount": "1.5"}',
        '{"id": "b", "amount": "2"}',
    ]
    assert of_postgres(url, "SELECT id FROM t WHERE false -- none") == []
    assert of_postgres(url, "WITH found AS (SELECT 1 AS one) SELECT * FROM found") == ['{"one": 1}']
    assert len(of_postgres(url, "SELECT generate_series(1, 5000)")) == invariants.MOST_ROWS


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t RETURNING id", "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
        "SELECT 1) AS x; DROP TABLE t; SELECT * FROM (SELECT 1", "SELECT pg_read_file('/etc/hostname')",
        "SELECT nextval('missing')", "SELECT set_config('transaction_read_only', 'off', false)",
    ],
)  # fmt: skip
def test_a_query_changes_nothing_and_reads_no_file(url: str, sql: str) -> None:
    with pytest.raises(psycopg.Error):
        of_postgres(url, sql)
    assert len(of_postgres(url, "SELECT id FROM t")) == 2


def test_what_a_function_writes_is_rolled_back(url: str) -> None:
    of_postgres(url, "SELECT lo_create(7)")
    assert of_postgres(url, "SELECT oid FROM pg_largeobject_metadata") == []


def test_a_query_takes_a_bounded_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "SECONDS", 1.0)
    with pytest.raises(psycopg.errors.QueryCanceled):
        of_postgres(url, "SELECT count(*) FROM generate_series(1, 100000000000)")

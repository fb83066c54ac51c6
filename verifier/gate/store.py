"""The results store: published evidence and recorded deployments in SQLite or PostgreSQL.

Everything that one command writes is one transaction, so a process that is killed leaves all of it or nothing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from verifier.errors import BrokenEnvironment
from verifier.gate.address import masked, shown, sqlite_file
from verifier.gate.model import Build, Deployment, Evidence, live
from verifier.gate.tables import DEPLOYMENTS, EVIDENCE, PUBLICATIONS, SUBJECTS
from verifier.gate.upgrade import READING, upgrade

PATIENCE = 30  # seconds to wait for another process that writes to a SQLite file
_CONNECTING = 10  # seconds


class ResultsStore:
    """An open store. Raises BrokenEnvironment, without secrets, when it cannot be reached or breaks off."""

    def __init__(self, url: URL, *, create: bool, clock: Callable[[], float] = time.time) -> None:
        self.url, self._clock = url, clock
        file = sqlite_file(url)
        if file is not None and not create and not file.exists():
            raise BrokenEnvironment(
                f"there is no results store {shown(url)}; `verifier publish RUN` makes it; --store names another"
            )
        with self._told():
            if file is not None and create:
                file.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            self._engine = _engine(url)
            upgrade(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> ResultsStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, evidence: Sequence[Evidence]) -> bool:
        """Store the evidence of one run; False if it is there already. A run that was judged anew is stored anew."""
        documents = [(entry, msgspec.json.encode(entry).decode()) for entry in evidence]
        run = hashlib.sha256("".join(sorted(entry.run for entry in evidence)).encode()).hexdigest()
        # Where the directory lies now says nothing about the run.
        bare = (msgspec.structs.replace(entry, directory="") for entry in evidence)
        content = hashlib.sha256(b"\n".join(sorted(map(msgspec.json.encode, bare)))).hexdigest()
        try:
            with self._writing() as connection:
                if self._newest_content(connection, run) == content:
                    return False
                # A judgement that is back to an earlier one counts again, as the newest.
                connection.execute(
                    sa.delete(PUBLICATIONS).where(PUBLICATIONS.c.run == run, PUBLICATIONS.c.content == content)
                )
                _insert(connection, run, content, documents, self._clock())
        except IntegrityError:  # another process published the same at the same moment
            return False
        return True

    def evidence_about(self, versions: Iterable[tuple[str, str]]) -> list[Evidence]:
        """The evidence of all runs that have one of these versions of services, in the order of publication."""
        with self._reading() as connection:
            return _evidence(connection, list(versions))

    def record(self, environment: str, entries: Iterable[tuple[str, Build]], stage: str) -> None:
        """Record that deployments have started or finished, or that builds were removed, all at once."""
        with self._writing() as connection:
            self._record(connection, environment, entries, stage)

    def deployments(self, environment: str) -> list[Deployment]:
        """Everything that was recorded of an environment, in order."""
        with self._reading() as connection:
            return _deployments(connection, environment)

    def ask(
        self,
        environment: str,
        versions: Sequence[tuple[str, str]],
        decide: Callable[[list[Deployment], list[Evidence]], bool],
        start: Sequence[tuple[str, Build]] = (),
        beside: bool = False,
    ) -> None:
        """Show one consistent view to `decide`, and record that `start` has started if it says so.

        The evidence is about one of `versions` of services; with `beside`, also about one that is live. Between the
        view and the record, no other process records anything.
        """
        with self._writing() if start else self._reading() as connection:
            if start and connection.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE deployments IN SHARE ROW EXCLUSIVE MODE"))
            deployments = _deployments(connection, environment)
            found = live(deployments).items() if beside else ()
            there = [(service, build.version) for service, builds in found for build in builds]
            if decide(deployments, _evidence(connection, [*versions, *there])) and start:
                self._record(connection, environment, start, "started")

    def _record(
        self, connection: Connection, environment: str, entries: Iterable[tuple[str, Build]], stage: str
    ) -> None:
        rows = [
            {
                "environment": environment, "service": service, "version": build.version, "digest": build.digest,
                "stage": stage, "recorded_at": self._clock(),
            }
            for service, build in entries
        ]  # fmt: skip
        connection.execute(sa.insert(DEPLOYMENTS), rows)

    @staticmethod
    def _newest_content(connection: Connection, run: str) -> str | None:
        newest = sa.select(PUBLICATIONS.c.content).where(PUBLICATIONS.c.run == run).order_by(PUBLICATIONS.c.id.desc())
        return connection.execute(newest.limit(1)).scalar()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One view of the store, in which no other process is seen half way."""
        with self._told(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.execution_options(**{READING: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise BrokenEnvironment(self._why(error.orig or error)) from None
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise BrokenEnvironment(self._why(error)) from None

    def _why(self, error: BaseException) -> str:
        reason = " ".join(masked(str(error), self.url).split())
        return f"the results store {shown(self.url)} cannot be used: {reason}"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, connect_args={"connect_timeout": _CONNECTING}, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE})

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # this module begins transactions, not the driver
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A transaction that read first could not write once another process has written.
        reading = connection.get_execution_options().get(READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _insert(
    connection: Connection, run: str, content: str, documents: Sequence[tuple[Evidence, str]], at: float
) -> None:
    row = sa.insert(PUBLICATIONS).values(run=run, content=content, published_at=at).returning(PUBLICATIONS.c.id)
    publication = connection.execute(row).scalar_one()
    for entry, text in documents:
        one = sa.insert(EVIDENCE).values(publication=publication, run=run, document=text).returning(EVIDENCE.c.id)
        evidence = connection.execute(one).scalar_one()
        versions = {(member.service, version.name) for member in entry.members for version in (member.old, member.new)}
        rows = [{"evidence": evidence, "service": service, "version": name} for service, name in sorted(versions)]
        connection.execute(sa.insert(SUBJECTS), rows)


def _evidence(connection: Connection, versions: Sequence[tuple[str, str]]) -> list[Evidence]:
    newest = sa.select(sa.func.max(PUBLICATIONS.c.id)).group_by(PUBLICATIONS.c.run)
    wanted = sa.or_(*(sa.and_(SUBJECTS.c.service == service, SUBJECTS.c.version == name) for service, name in versions))
    query = (
        sa.select(EVIDENCE.c.document)
        .where(EVIDENCE.c.publication.in_(newest))
        .where(EVIDENCE.c.id.in_(sa.select(SUBJECTS.c.evidence).where(wanted)))
        .order_by(EVIDENCE.c.publication, EVIDENCE.c.id)
    )
    return [msgspec.json.decode(text, type=Evidence) for (text,) in connection.execute(query)]


def _deployments(connection: Connection, environment: str) -> list[Deployment]:
    table = DEPLOYMENTS.c
    query = sa.select(table.service, table.version, table.digest, table.stage, table.recorded_at)
    rows = connection.execute(query.where(table.environment == environment).order_by(table.id))
    return [Deployment(environment, row[0], Build(row[1], row[2]), row[3], row[4]) for row in rows]

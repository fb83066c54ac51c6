"""Brings a results store to the schema of this version. Several processes may do so at the same time."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from verifier import __version__
from verifier.errors import BrokenEnvironment

MIGRATIONS = Path(__file__).parent / "migrations"
READING = "verifier_reading"  # an execution option of transactions that write nothing
_LOCK = 0x76657269  # of PostgreSQL's advisory locks; any constant that nobody else uses


def upgrade(engine: Engine) -> None:
    """Run the missing migrations, all in one transaction and one process at a time. Raises BrokenEnvironment."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        connection.execution_options(**{READING: True})
        if _current(connection) == scripts.get_current_head():
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        # SQLite: the transaction began with BEGIN IMMEDIATE, so only one process is here.
        current = _current(connection)
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise BrokenEnvironment(
                f"the results store has schema {current}, which verifier {__version__} does not know: "
                "it was made by a newer version"
            )
        config.attributes["connection"] = connection
        _run(config)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _run(config: Config) -> None:
    from alembic import command

    command.upgrade(config, "head")

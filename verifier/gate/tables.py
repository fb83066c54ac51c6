"""The tables of the results store, as the newest migration leaves them."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up in no other type

# One row for each time that a run was published with another content. `run` is a digest of the run, and `content` one
# of what it was judged to be; the newest row of a run counts.
PUBLICATIONS = sa.Table(
    "publications",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("published_at", sa.Double, nullable=False),  # Unix time
    sa.UniqueConstraint("run", "content", name="publications_once"),
)

# One row for each pair of versions of a publication; `document` is an `Evidence` as JSON.
EVIDENCE = sa.Table(
    "evidence",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("publication", ID, sa.ForeignKey("publications.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)

# The versions that evidence is about.
SUBJECTS = sa.Table(
    "subjects",
    METADATA,
    sa.Column("evidence", ID, sa.ForeignKey("evidence.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Index("subjects_by_version", "service", "version"),
)

DEPLOYMENTS = sa.Table(
    "deployments",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # "" if it is not known
    sa.Column("stage", sa.String(16), nullable=False),  # started, finished, removed
    sa.Column("recorded_at", sa.Double, nullable=False),  # Unix time
    sa.Index("deployments_by_environment", "environment", "id"),
)

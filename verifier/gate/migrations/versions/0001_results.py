"""Published results, the versions that they are about, and deployments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up in no other type


def upgrade() -> None:
    op.create_table(
        "publications",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("published_at", sa.Double, nullable=False),
        sa.UniqueConstraint("run", "content", name="publications_once"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("publication", ID, sa.ForeignKey("publications.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "subjects",
        sa.Column("evidence", ID, sa.ForeignKey("evidence.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
    )
    op.create_index("subjects_by_version", "subjects", ["service", "version"])
    op.create_table(
        "deployments",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
    )
    op.create_index("deployments_by_environment", "deployments", ["environment", "id"])


def downgrade() -> None:
    for table in ("deployments", "subjects", "evidence", "publications"):
        op.drop_table(table)

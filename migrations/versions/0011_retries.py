"""Retries of many entries, and how each of those stood before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "ringnote_retry",
        sa.Column("id", BIG, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("told", JSON, nullable=False),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_retry")),
    )
    op.create_table(
        "ringnote_retried",
        sa.Column("retry_id", BIG, nullable=False),
        sa.Column("entry_id", BIG, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("was_state", sa.String(length=32), nullable=False),
        sa.Column("was_reason", sa.Text(), nullable=True),
        sa.Column("was_due_at", MOMENT, nullable=True),
        sa.Column("was_queued_at", MOMENT, nullable=True),
        sa.Column("was_attempts", sa.Integer(), nullable=True),
        sa.Column("is_put_back", sa.Boolean(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"],
                [f"ringnote_{name}.id"],
                name=op.f(f"fk_ringnote_retried_{name}_id"),
                ondelete="CASCADE",
            )
            for name in ("retry", "entry")
        ),
        sa.PrimaryKeyConstraint("retry_id", "entry_id", name=op.f("pk_ringnote_retried")),
    )
    op.create_index(op.f("ix_ringnote_retried_entry_id"), "ringnote_retried", ["entry_id"])


def downgrade() -> None:
    op.drop_table("ringnote_retried")
    op.drop_table("ringnote_retry")

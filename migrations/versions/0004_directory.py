"""What is wrong with clients' numbers, readings of all clients, named columns, merges by client"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("ringnote_client", sa.Column("seen_at", MOMENT, nullable=True))
    op.add_column("ringnote_client", sa.Column("flaws", JSON, nullable=True))
    op.add_column("ringnote_sync_state", sa.Column("pass_started_at", MOMENT, nullable=True))
    op.add_column("ringnote_sync_state", sa.Column("clients_total", sa.Integer(), nullable=True))
    op.add_column("ringnote_sync_state", sa.Column("every_seconds", sa.Integer(), nullable=True))
    op.add_column(
        "ringnote_sync_state",
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_table(
        "ringnote_column_choice",
        sa.Column("clinic_id", KEY, nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("chosen_at", MOMENT, nullable=False),
        sa.Column("chosen_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id"],
            ["ringnote_clinic.id"],
            name=op.f("fk_ringnote_column_choice_clinic_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("clinic_id", name=op.f("pk_ringnote_column_choice")),
    )
    name = op.f("ix_ringnote_entry_clinic_id_client")
    op.create_index(name, "ringnote_entry", ["clinic_id", "client"])


def downgrade() -> None:
    op.drop_index(op.f("ix_ringnote_entry_clinic_id_client"), table_name="ringnote_entry")
    op.drop_table("ringnote_column_choice")
    for name in ("failures", "every_seconds", "clients_total", "pass_started_at"):
        op.drop_column("ringnote_sync_state", name)
    for name in ("flaws", "seen_at"):
        op.drop_column("ringnote_client", name)

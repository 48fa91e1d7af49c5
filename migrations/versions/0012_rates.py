"""How fast a connection's tokens come back, at which host its PMS is, when it was resumed, and how
often in a row an entry's tries got no answer."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = depends_on = None

BUCKET = "ringnote_pace_bucket"
VACUUM = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000"


def upgrade() -> None:
    column = sa.Column("per_second", sa.Double(), server_default=sa.text("1"), nullable=False)
    op.add_column(BUCKET, column)
    op.add_column("ringnote_pace", sa.Column("host", sa.Text(), nullable=True))
    resumed_at = sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("ringnote_connection", resumed_at)
    unanswered = sa.Column("unanswered", sa.Integer(), server_default="0", nullable=False)
    op.add_column("ringnote_outbox", unanswered)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {BUCKET} SET (fillfactor = 50, {VACUUM})")


def downgrade() -> None:
    op.drop_column("ringnote_outbox", "unanswered")
    op.drop_column("ringnote_connection", "resumed_at")
    op.drop_column("ringnote_pace", "host")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE {BUCKET} RESET (fillfactor, autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold)"
        )
    op.drop_column(BUCKET, "per_second")

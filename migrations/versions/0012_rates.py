"""How fast a connection's tokens come back, and at which host its PMS is."""

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
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {BUCKET} SET (fillfactor = 50, {VACUUM})")


def downgrade() -> None:
    op.drop_column("ringnote_pace", "host")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE {BUCKET} RESET (fillfactor, autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold)"
        )
    op.drop_column(BUCKET, "per_second")

"""Who paused a connection, and room for the tables that change much"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BUSY = {
    "ringnote_outbox": 70,
    "ringnote_pace": 50,
    "ringnote_due_mark": 70,
}
"""The tables whose few rows change all the time, and how full their pages are left."""
VACUUM = (
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,"
    " autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000"
)
SETTINGS = (
    "fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,"
    " autovacuum_analyze_scale_factor, autovacuum_analyze_threshold"
)


def upgrade() -> None:
    op.add_column("ringnote_connection", sa.Column("paused_by", sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        for table, filled in BUSY.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {filled}, {VACUUM})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in BUSY:
            op.execute(f"ALTER TABLE {table} RESET ({SETTINGS})")
        op.execute("ALTER TABLE ringnote_outbox SET (fillfactor = 70)")
    op.drop_column("ringnote_connection", "paused_by")

"""When a task is read back in the PMS."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = depends_on = None

INDEX, TABLE = "ix_ringnote_entry_read_back", "ringnote_entry"
STANDING = "kind = 'task' AND state = 'synced' AND "


def upgrade() -> None:
    column = sa.Column("read_back_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column(TABLE, column)
    op.create_index(
        INDEX,
        TABLE,
        ["read_back_at"],
        sqlite_where=sa.text(STANDING + "is_done_there = 0"),
        postgresql_where=sa.text(STANDING + "NOT is_done_there"),
    )


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.drop_column(TABLE, "read_back_at")

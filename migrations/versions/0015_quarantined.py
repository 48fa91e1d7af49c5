"""An index of quarantined events, so that counting them does not read all events."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = depends_on = None

INDEX = "ix_ringnote_event_quarantined"
WHERE = sa.text("status = 'quarantined'")


def upgrade() -> None:
    # On PostgreSQL those of the partitions are made with it.
    op.create_index(
        INDEX, "ringnote_event", ["clinic_id"], sqlite_where=WHERE, postgresql_where=WHERE
    )


def downgrade() -> None:
    op.drop_index(INDEX, "ringnote_event")

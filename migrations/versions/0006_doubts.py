"""What was said to PMSs, doubts, and the texts that were sent"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
ADDED = {
    "ringnote_attempt": [("exchanges", JSON)],
    "ringnote_connection": [("when_in_doubt", sa.String(32))],
    "ringnote_entry": [
        ("doubt", sa.String(32)),
        ("sent_texts", JSON),
    ],
    "ringnote_outbox": [("sent_at", MOMENT)],
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for table, columns in ADDED.items():
        for name, _ in columns:
            op.drop_column(table, name)

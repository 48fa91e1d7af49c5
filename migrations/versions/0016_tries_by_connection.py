"""An index of tries by their connection, so that removing a clinic does not read all tries."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = depends_on = None

INDEX = "ix_ringnote_attempt_connection_id"


def upgrade() -> None:
    op.create_index(INDEX, "ringnote_attempt", ["connection_id"])


def downgrade() -> None:
    op.drop_index(INDEX, "ringnote_attempt")

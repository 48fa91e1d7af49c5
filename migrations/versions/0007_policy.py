"""Whether a clinic's policy in force only watches."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = depends_on = None


def upgrade() -> None:
    column = sa.Column("is_watch_only", sa.Boolean(), nullable=False, server_default=sa.false())
    with op.batch_alter_table("ringnote_clinic") as batch_op:
        batch_op.add_column(column)


def downgrade() -> None:
    with op.batch_alter_table("ringnote_clinic") as batch_op:
        batch_op.drop_column("is_watch_only")

"""Whose a callback is, and tasks that are done in the PMS"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "ringnote_callback", sa.Column("client", sa.Text(), nullable=False, server_default="")
    )
    op.add_column(
        "ringnote_entry",
        sa.Column("is_done_there", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    for table, column in INDEXED:
        op.create_index(op.f(f"ix_{table}_clinic_id_{column}"), table, ["clinic_id", column])


def downgrade() -> None:
    for table, column in INDEXED:
        op.drop_index(op.f(f"ix_{table}_clinic_id_{column}"), table_name=table)
    with op.batch_alter_table("ringnote_entry") as batch_op:
        batch_op.drop_column("is_done_there")
    with op.batch_alter_table("ringnote_callback") as batch_op:
        batch_op.drop_column("client")


INDEXED = (
    ("ringnote_callback", "number"),
    ("ringnote_callback", "client"),
)

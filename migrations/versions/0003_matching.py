"""What decided a match, whose it was last, and clients that are created of unknown callers"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OF_LOOKUP = ("creates_as", "create_key", "created_client", "refusal")


def upgrade() -> None:
    op.add_column(
        "ringnote_match",
        sa.Column(
            "number_rule_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
    )
    op.create_index(
        op.f("ix_ringnote_match_clinic_id_client_id"),
        "ringnote_match",
        ["clinic_id", "client", "id"],
    )
    for name in OF_LOOKUP:
        op.add_column("ringnote_lookup", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in reversed(OF_LOOKUP):
        op.drop_column("ringnote_lookup", name)
    op.drop_index(op.f("ix_ringnote_match_clinic_id_client_id"), table_name="ringnote_match")
    op.drop_column("ringnote_match", "number_rule_id")

"""The token of each connection that signs in by OAuth 2, shared by all processes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "ringnote_access_token",
        sa.Column("connection_id", key, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("renew_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetching_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["ringnote_connection.id"],
            name=op.f("fk_ringnote_access_token_connection_id_ringnote_connection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_ringnote_access_token")),
    )


def downgrade() -> None:
    op.drop_table("ringnote_access_token")

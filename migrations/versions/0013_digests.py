"""What waited on a number, told by one note; and which account a connection is of."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MATCH, INDEX = "ringnote_match", "ix_ringnote_match_digest_id"


def upgrade() -> None:
    op.create_table(
        "ringnote_digest",
        sa.Column("id", BIG, nullable=False),
        sa.Column("clinic_id", BIG, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id"],
            ["ringnote_clinic.id"],
            name="fk_ringnote_digest_clinic_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ringnote_digest"),
        sa.UniqueConstraint("clinic_id", "number", name="uq_ringnote_digest_clinic_id_number"),
    )
    op.add_column(
        MATCH, sa.Column("has_waited", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(MATCH, sa.Column("digest_id", BIG, nullable=True))
    op.create_index(
        INDEX,
        MATCH,
        ["digest_id"],
        sqlite_where=sa.text("digest_id IS NOT NULL"),
        postgresql_where=sa.text("digest_id IS NOT NULL"),
    )
    op.add_column("ringnote_connection", sa.Column("account_id", sa.Text(), nullable=True))
    match = sa.table(MATCH, sa.column("kind"), sa.column("has_waited"))
    waits = match.c.kind.in_(("none", "several"))
    op.execute(sa.update(match).where(waits).values(has_waited=sa.true()))


def downgrade() -> None:
    op.drop_column("ringnote_connection", "account_id")
    op.drop_index(INDEX, MATCH)
    op.drop_column(MATCH, "digest_id")
    op.drop_column(MATCH, "has_waited")
    op.drop_table("ringnote_digest")

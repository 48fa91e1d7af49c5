"""Users, their sessions and API tokens"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ringnote_api_token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column(
            "scopes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_limited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_api_token")),
        sa.UniqueConstraint("name", name=op.f("uq_ringnote_api_token_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_ringnote_api_token_token_hash")),
    )
    op.create_table(
        "ringnote_sign_in_tries",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ringnote_sign_in_tries")),
    )
    op.create_index(
        op.f("ix_ringnote_sign_in_tries_last_at"), "ringnote_sign_in_tries", ["last_at"]
    )
    op.create_table(
        "ringnote_user",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column(
            "role",
            sa.Enum("viewer", "operator", "admin", name="role", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_limited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_user")),
        sa.UniqueConstraint("name", name=op.f("uq_ringnote_user_name")),
    )
    op.create_table(
        "ringnote_api_token_clinic",
        sa.Column("token_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "clinic_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id"],
            ["ringnote_clinic.id"],
            name=op.f("fk_ringnote_api_token_clinic_clinic_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["ringnote_api_token.id"],
            name=op.f("fk_ringnote_api_token_clinic_token_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_id", "clinic_id", name=op.f("pk_ringnote_api_token_clinic")),
    )
    op.create_index(
        op.f("ix_ringnote_api_token_clinic_clinic_id"), "ringnote_api_token_clinic", ["clinic_id"]
    )
    op.create_table(
        "ringnote_session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["ringnote_user.id"],
            name=op.f("fk_ringnote_session_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_ringnote_session_token_hash")),
    )
    op.create_index(op.f("ix_ringnote_session_user_id"), "ringnote_session", ["user_id"])

    op.create_table(
        "ringnote_sign_in_link",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_reusable", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["ringnote_user.id"],
            name=op.f("fk_ringnote_sign_in_link_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_sign_in_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_ringnote_sign_in_link_token_hash")),
    )
    op.create_index(op.f("ix_ringnote_sign_in_link_user_id"), "ringnote_sign_in_link", ["user_id"])

    op.create_table(
        "ringnote_user_clinic",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "clinic_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id"],
            ["ringnote_clinic.id"],
            name=op.f("fk_ringnote_user_clinic_clinic_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["ringnote_user.id"],
            name=op.f("fk_ringnote_user_clinic_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "clinic_id", name=op.f("pk_ringnote_user_clinic")),
    )
    op.create_index(
        op.f("ix_ringnote_user_clinic_clinic_id"), "ringnote_user_clinic", ["clinic_id"]
    )


def downgrade() -> None:
    op.drop_table("ringnote_user_clinic")
    op.drop_table("ringnote_sign_in_link")
    op.drop_table("ringnote_session")
    op.drop_table("ringnote_api_token_clinic")
    op.drop_table("ringnote_user")
    op.drop_table("ringnote_sign_in_tries")
    op.drop_table("ringnote_api_token")

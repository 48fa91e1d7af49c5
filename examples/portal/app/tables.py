"""The portal's own tables, in the same database as Ringnote's."""

import sqlalchemy as sa

metadata = sa.MetaData()

notices = sa.Table(
    "portal_notice",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
)

news = sa.Table(
    "portal_news",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("clinic_id", sa.Integer, nullable=False),
    sa.Column("text", sa.String, nullable=False),
)
"""What the phones did, as Ringnote's signals told it."""

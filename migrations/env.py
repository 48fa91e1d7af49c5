"""How Alembic reaches the database: always through the connection it is handed."""

import re

import sqlalchemy as sa
from alembic import context

from ringnote.db import UtcDateTime
from ringnote.models import Base

VERSION_TABLE = "ringnote_alembic_version"
PARTITION = re.compile(r"ringnote_event_(\d{6}|before|default)")


def is_ours(_object, name, kind, _reflected, _compare_to):  # type: ignore[no-untyped-def]
    """A host's tables may live in the same database; they are none of our business.

    Partitions come and go with the months: no revision knows them.
    """
    return kind != "table" or (name.startswith("ringnote_") and not PARTITION.fullmatch(name))


def frozen_types(kind, item, context):  # type: ignore[no-untyped-def]
    """Revisions say what a column is, not how today's code sees it."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sa.JSON):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_object=is_ours,
    render_item=frozen_types,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

"""Housekeeping, and on PostgreSQL events partitioned by month"""

from datetime import UTC, datetime
from itertools import pairwise

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MONTHS_AHEAD = 2
LAST_ID = "~"
MOVE = (
    "WITH gone AS (DELETE FROM {source} WHERE id >= '{low}' AND id < '{high}' RETURNING *)"
    " INSERT INTO {target} SELECT * FROM gone"
)


def upgrade() -> None:
    op.create_table(
        "ringnote_housekeeping",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "purged", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_housekeeping")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _partition()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _rejoin()
    op.drop_table("ringnote_housekeeping")


def _partition() -> None:
    """What is there becomes the partition of all months up to this one: no row is moved."""
    connection = op.get_bind()
    now = datetime.now(UTC)
    months = [_month(now.year, now.month + ahead) for ahead in range(MONTHS_AHEAD + 2)]
    is_empty = connection.scalar(sa.text("SELECT id FROM ringnote_event LIMIT 1")) is None
    if is_empty:
        op.drop_table("ringnote_event")
    else:
        _set_aside("ringnote_event", "ringnote_event_before")
        # In one alteration: the indexes are built anew once, since their order changes.
        op.execute('ALTER TABLE ringnote_event_before ALTER COLUMN id TYPE varchar(26) COLLATE "C"')
    _create_events(sa.String(26, collation="C"), postgresql_partition_by="RANGE (id)")
    op.execute("CREATE TABLE ringnote_event_default (LIKE ringnote_event INCLUDING ALL)")
    if not is_empty:
        bound = _lowest_id(months[1])
        # A receiver's clock may have been ahead.
        _move("ringnote_event_before", "ringnote_event_default", bound)
        op.execute(
            "ALTER TABLE ringnote_event ATTACH PARTITION ringnote_event_before"
            f" FOR VALUES FROM (MINVALUE) TO ('{bound}')"
        )
        months = months[1:]
    op.execute("ALTER TABLE ringnote_event ATTACH PARTITION ringnote_event_default DEFAULT")
    for month, following in pairwise(months):
        low, high = _lowest_id(month), _lowest_id(following)
        name = f"ringnote_event_{month:%Y%m}"
        op.execute(f"CREATE TABLE {name} (LIKE ringnote_event INCLUDING ALL)")
        _move("ringnote_event_default", name, low, high)
        op.execute(
            f"ALTER TABLE ringnote_event ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{low}') TO ('{high}')"
        )


def _move(source: str, target: str, low: str, high: str = LAST_ID) -> None:
    op.execute(MOVE.format(source=source, target=target, low=low, high=high))


def _rejoin() -> None:
    """One plain table again: every row is copied."""
    _set_aside("ringnote_event", "ringnote_event_parts")
    _create_events(sa.String(26))
    op.execute("INSERT INTO ringnote_event SELECT * FROM ringnote_event_parts")
    op.drop_table("ringnote_event_parts")


def _set_aside(table: str, name: str) -> None:
    op.rename_table(table, name)
    op.execute(f"ALTER TABLE {name} RENAME CONSTRAINT pk_{table} TO pk_{name}")
    op.execute(f"ALTER TABLE {name} RENAME CONSTRAINT fk_{table}_clinic_id TO fk_{name}_clinic_id")
    for columns in ("clinic_id_id", "clinic_id_subject_kind_subject_key"):
        op.execute(f"ALTER INDEX ix_{table}_{columns} RENAME TO ix_{name}_{columns}")


def _create_events(id_type: sa.String, **options: str) -> None:
    op.create_table(
        "ringnote_event",
        sa.Column("id", id_type, nullable=False),
        sa.Column("clinic_id", BIG, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("subject_kind", sa.String(length=32), nullable=True),
        sa.Column("subject_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"],
            ["ringnote_clinic.id"],
            name=op.f("fk_ringnote_event_clinic_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringnote_event")),
        **options,
    )
    op.create_index(op.f("ix_ringnote_event_clinic_id_id"), "ringnote_event", ["clinic_id", "id"])
    op.create_index(
        op.f("ix_ringnote_event_clinic_id_subject_kind_subject_key"),
        "ringnote_event",
        ["clinic_id", "subject_kind", "subject_key"],
    )


def _month(year: int, month: int) -> datetime:
    return datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)


def _lowest_id(moment: datetime) -> str:
    """The lowest ULID of that time."""
    value = int(moment.timestamp() * 1000) << 80
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))

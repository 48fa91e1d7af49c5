"""Months of traffic: the database comes to a size and stays there, whatever goes through it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.keeping.partitions import month_of
from ringnote.keeping.state import measure
from ringnote.models import Base
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from stories import CALLER, Phone, purge, settle, write

CALLS_A_DAY = 2
DAYS_A_STEP = 5
KEPT = {
    "keep_events_days": 7,
    "keep_attempts_days": 7,
    "keep_records_days": 14,
    "keep_ended_days": 7,
}


class Months:
    """A clinic whose time passes as fast as its calls can be taken, settled, written and purged."""

    def __init__(self, runtime: Runtime) -> None:
        self.now = month_of(utc_now())
        url = runtime.db.url.render_as_string(hide_password=False)
        self.runtime = Runtime(
            load_settings(runtime.settings.model_dump() | KEPT, environ={}),
            Database(url, clock=lambda: self.now),
            lambda: self.now,
        )
        clinic = make_clinic(self.runtime.db)
        make_client(self.runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
        make_connection(self.runtime.db, clinic)
        self.pms = MemoryConnector()
        self.phone = Phone(self.runtime, clinic, at=self.now)
        self.days = 0
        self.calls = 0

    def pass_by(self, days: int) -> None:
        for _ in range(days):
            self.phone.at = self.now
            for number in range(CALLS_A_DAY):
                self.calls += 1
                tell = self.phone.missed if number % 4 == 0 else self.phone.answered
                tell(f"u-{self.calls}")
            self.phone.text(f"Is Rex ready on day {self.days}?")
            self.now += timedelta(days=1)
            self.days += 1
            if self.days % DAYS_A_STEP == 0:
                settle(self.runtime)
                write(self.runtime, self.pms, lambda: self.now)
                purge(self.runtime)
                self.vacuum()

    def vacuum(self) -> None:
        """What PostgreSQL does by itself each minute, of which none passes here."""
        if not self.runtime.db.is_sqlite:
            with self.runtime.db.engine.connect() as connection:
                plain = connection.execution_options(isolation_level="AUTOCOMMIT")
                plain.exec_driver_sql("VACUUM")

    def rows(self) -> dict[str, int]:
        with self.runtime.db.reading() as session:
            return {
                name: session.scalar(sa.select(sa.func.count()).select_from(table))
                for name, table in Base.metadata.tables.items()
            }

    def bytes(self) -> int:
        with self.runtime.db.reading() as session:
            return measure(session, self.runtime.db)


@pytest.fixture
def months(runtime, monkeypatch):
    monkeypatch.setattr("ringnote.keeping.turn.LONGEST_PAUSE_SECONDS", 0)
    made = Months(runtime)
    yield made
    made.runtime.close()


def test_the_database_comes_to_a_size_and_stays_there(months):
    months.pass_by(45)
    before, size = months.rows(), months.bytes()

    months.pass_by(45)

    after = months.rows()
    most = {name: round(count * 1.35) + 2 for name, count in before.items()}
    assert {name: count for name, count in after.items() if count > most[name]} == {}
    assert after["ringnote_event"] <= 45 * (CALLS_A_DAY * 4 + 1)
    assert after["ringnote_call"] <= 20 * CALLS_A_DAY
    assert months.bytes() <= size * 1.35

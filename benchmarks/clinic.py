"""An invented clinic to measure with: its directory, its webhook token and its phone's calls."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.clinics import ClinicFields, add_clinic
from ringnote.models import Client, ClientNumber, Clinic, new_event_id
from ringnote.sandbox.people import Caller
from ringnote.sandbox.phones import Office, PhoneSystem, PlannedCall
from ringnote.spool_lines import Spooled
from ringnote.telephony.parse import read_event
from ringnote.telephony.store import add_events
from ringnote.telephony.tokens import issue_webhook_token

OFFICE = Office("123456")
LAST_AREA = 999
NUMBERS_AN_AREA = 100
CLIENTS_AT_ONCE = 10_000
BETWEEN_CALLS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Invented:
    """The clinic, the secret part of its webhook URL, and its phone system."""

    clinic: Clinic
    token: str
    phones: PhoneSystem


def invent_clinic(db: Database, numbers: Sequence[str]) -> Invented:
    """A clinic that is called from `numbers` (E.164). Commits."""
    fields = ClinicFields("Oak Street Vets", OFFICE.container_id, "", "America/New_York", "US")
    with db.transaction() as session:
        clinic = add_clinic(session, fields, utc_now(), by="benchmark")
        token = issue_webhook_token(session, clinic.id, utc_now())
    callers = [Caller(number, "DOE JANE") for number in numbers]
    return Invented(clinic, token, PhoneSystem(OFFICE, callers))


def invent_numbers(count: int) -> list[str]:
    """`count` different numbers 555-01xx, E.164, at most 100,000: an area code has but 100."""
    areas = range(LAST_AREA, LAST_AREA - -(-count // NUMBERS_AN_AREA), -1)
    every = (f"+1{area:03d}55501{last:02d}" for area in areas for last in range(NUMBERS_AN_AREA))
    return list(itertools.islice(every, count))


def add_directory(db: Database, clinic: Clinic, clients: Iterable[tuple[str, str]]) -> None:
    """Put clients, by their PMS's id and their one number (E.164), into the directory. Commits."""
    everyone = iter(clients)
    while some := list(itertools.islice(everyone, CLIENTS_AT_ONCE)):
        with db.transaction() as session:
            keys = session.scalars(
                sa.insert(Client).returning(Client.id, sort_by_parameter_order=True),
                [
                    {
                        "clinic_id": clinic.id,
                        "external_id": external_id,
                        "name": "Jane Doe",
                        "patients": ["Biscuit"],
                        "source": "import",
                        "updated_at": utc_now(),
                    }
                    for external_id, _ in some
                ],
            ).all()
            session.execute(
                sa.insert(ClientNumber),
                [
                    {
                        "clinic_id": clinic.id,
                        "client_id": key,
                        "number": number,
                        "national": national(number),
                        "raw": number,
                    }
                    for key, (_, number) in zip(keys, some, strict=True)
                ],
            )
    analyze(db)


def analyze(db: Database) -> None:
    """Tell PostgreSQL's planner what there is, as autovacuum does within a minute. Commits."""
    if not db.is_sqlite:
        with db.transaction() as session:
            session.execute(sa.text("ANALYZE"))


def national(number: str) -> str:
    """The digits of a +1 number without its country code."""
    return number.removeprefix("+1")


def keep_calls(db: Database, clinic: Clinic, calls: Sequence[PlannedCall]) -> None:
    """Have the events of `calls` as ingest keeps them, the last call over by now. Commits."""
    begins_at = utc_now() - BETWEEN_CALLS * (len(calls) + 1)
    owned = []
    for number, call in enumerate(calls):
        for webhook in call.webhooks:
            at = begins_at + BETWEEN_CALLS * number + timedelta(seconds=webhook.at)
            spooled = Spooled(new_event_id(at), at, "", webhook.content_type, webhook.body)
            owned.append((clinic, spooled, read_event(webhook.body)))
    with db.transaction() as session:
        add_events(session, db, owned, db.present(session))

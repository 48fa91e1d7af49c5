"""Small makers of rows: each commits, and takes whatever matters to the test."""

import itertools

from cryptography.fernet import Fernet

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import (
    Call,
    Client,
    ClientNumber,
    Clinic,
    Connection,
    Conversation,
    Entry,
    EntryKind,
    EntryState,
    Match,
    OutboxRow,
    Pace,
    Policy,
    Transcript,
)
from ringnote.vault import Vault

NUMBERS = itertools.count(1)


def make_clinic(db: Database, **over) -> Clinic:
    """A clinic with the default policy as version 1."""
    number = next(NUMBERS)
    known = {
        "name": f"Clinic {number}",
        "container_id": f"{100000 + number}",
        "tenant_id": "",
        "timezone": "America/New_York",
        "region": "US",
        "created_at": utc_now(),
    }
    with db.transaction() as session:
        clinic = Clinic(**(known | over))
        session.add(clinic)
        session.flush()
        session.add(
            Policy(
                clinic_id=clinic.id,
                version=1,
                rules=DEFAULT_RULES,
                created_at=utc_now(),
                created_by="test",
            )
        )
    return clinic


def make_client(db: Database, clinic: Clinic, external_id: str, name: str, numbers=()) -> Client:
    """A client of the directory with these numbers, in any format."""
    from ringnote.numbers import read_number

    with db.transaction() as session:
        client = Client(
            clinic_id=clinic.id,
            external_id=external_id,
            name=name,
            patients=[],
            source="import",
            updated_at=utc_now(),
        )
        session.add(client)
        session.flush()
        for raw in numbers:
            read = read_number(raw, clinic.region)
            session.add(
                ClientNumber(
                    clinic_id=clinic.id,
                    client_id=client.id,
                    number=read.e164,
                    national=read.national,
                    raw=raw,
                )
            )
    return client


def make_connection(db: Database, clinic: Clinic, connector: str = "sandbox", **over) -> Connection:
    """A connection in use, with its pace."""
    vault = Vault([Fernet.generate_key().decode()])
    known = {
        "clinic_id": clinic.id,
        "connector": connector,
        "settings": {"base_url": "http://127.0.0.1:9"},
        "secrets": vault.seal({"token": "t"}),
        "created_at": utc_now(),
    }
    with db.transaction() as session:
        connection = Connection(**(known | over))
        session.add(connection)
        session.flush()
        session.add(Pace(connection_id=connection.id, last_served_at=utc_now()))
    return connection


def make_entry(db: Database, clinic, connection, kind=EntryKind.NOTE, client="C1") -> int:
    """The id of a due entry, in the outbox if there is a connection; `clinic` may be its id."""
    number = next(NUMBERS)
    content = {"title": "A title", "body": "A text", "occurred_at": "2026-11-20T10:00:00Z"}
    if kind is EntryKind.TASK:
        content |= {"due_at": "2026-11-20T11:00:00Z", "assignee": "", "is_done": False}
    with db.transaction() as session:
        entry = Entry(
            clinic_id=getattr(clinic, "id", clinic),
            subject_kind="callback" if kind is EntryKind.TASK else "call",
            subject_id=number,
            kind=kind,
            client=client,
            state=EntryState.DUE,
            content=content,
            reference=f"rn-test{number}",
            created_at=utc_now(),
            updated_at=utc_now(),
        )
        session.add(entry)
        session.flush()
        if connection is not None:
            session.add(
                OutboxRow(
                    entry_id=entry.id,
                    connection_id=connection.id,
                    due_at=utc_now(),
                    queued_at=utc_now(),
                )
            )
        return entry.id


def make_settled_call(db: Database, clinic: Clinic, number: str, kind="none", **over) -> Call:
    """A settled call from `number` whose match is of `kind`; `over` is for the match."""
    with db.transaction() as session:
        call = Call(
            clinic_id=clinic.id,
            call_uuid=f"call-{next(NUMBERS)}",
            direction="inbound",
            outcome="missed",
            number=number,
            started_at=utc_now(),
            summary={"caller_name": "DOE JANE"},
            settled_at=utc_now(),
        )
        session.add(call)
        session.flush()
        session.add(_match(clinic, "call", call.id, number, kind, over))
    return call


def make_settled_text(db: Database, clinic: Clinic, number: str, kind="none", **over) -> str:
    """The key of a settled conversation with `number` whose match is of `kind`."""
    with db.transaction() as session:
        conversation = Conversation(
            clinic_id=clinic.id,
            conversation_key=f"conversation-{next(NUMBERS)}",
            timezone=clinic.timezone,
            created_at=utc_now(),
        )
        session.add(conversation)
        session.flush()
        transcript = Transcript(
            clinic_id=clinic.id,
            conversation_id=conversation.id,
            number=number,
            starts_at=utc_now(),
            ends_at=utc_now(),
            local_day=utc_now().date(),
            last_text_at=utc_now(),
            settled_at=utc_now(),
        )
        session.add(transcript)
        session.flush()
        session.add(_match(clinic, "transcript", transcript.id, number, kind, over))
    return conversation.conversation_key


def _match(clinic: Clinic, subject: str, subject_id: int, number: str, kind: str, over) -> Match:
    known = {"rule": "no client has this number", "decided_at": utc_now()}
    return Match(
        clinic_id=clinic.id,
        subject_kind=subject,
        subject_id=subject_id,
        number=number,
        kind=kind,
        **(known | over),
    )

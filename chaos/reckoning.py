"""The reckoning: what was acknowledged against the events, the entries and the PMS's own record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ringnote.models import (
    Attempt,
    Call,
    Callback,
    Clinic,
    Conversation,
    DueMark,
    Entry,
    EntryKind,
    EntryState,
    Event,
    EventStatus,
    Lookup,
    OutboxRow,
    Transcript,
)

from .expected import Expected, Subject, Wanted, expect
from .record import read_number
from .stage import Stage

KINDS = ("LOST", "DUPLICATED", "STALE", "STUCK")
UNFINISHED = (EntryState.DUE, EntryState.RETRYING, EntryState.SET_ASIDE)
ALL = 10**9


@dataclass
class Reckoning:
    """What is wrong, in words by kind, and how much there was of everything."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    written: Counter[str] = field(default_factory=Counter)
    leases_lost: int = 0
    """Tries that ended when another had the entry."""

    @property
    def is_clean(self) -> bool:
        return not any(self.wrong.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry with what it is of, and the records in the PMS that bear its reference."""

    entry: Entry
    subject: Subject
    records: list[Mapping[str, Any]]


def reckon(stage: Stage) -> Reckoning:
    """Everything once the crew has gone home; reads only."""
    found = Reckoning()
    posts = stage.phones.record.acknowledged()
    clients = stage.store.clients.after(("", ""), ALL, with_deleted=False)
    with stage.runtime.db.reading() as session:
        events = session.execute(sa.select(Event.body, Event.received_at))
        received_at = {read_number(body): at for body, at in events}
        expected = expect(posts, clients, received_at)
        _reckon_events(session, {post.number for post in posts}, found)
        standing = _standing(session, stage.store.records.newest(ALL), found)
        _reckon_entries(session, standing, found)
        _reckon_left(session, found)
        lost = sa.select(sa.func.count()).where(Attempt.error.startswith("the lease "))
        found.leases_lost = session.scalars(lost).one()
    _reckon_expected(expected, standing, found)
    spool = stage.runtime.spool
    if spool and (not spool.is_empty() or spool.measure().refused):
        found.wrong["STUCK"].append("webhooks lie in the spool")
    if left := stage.phones.unacknowledged:
        found.wrong["STUCK"].append(f"{left} webhooks were never acknowledged")
    return found


def _reckon_events(session: Session, acknowledged: set[int], found: Reckoning) -> None:
    counts: Counter[int | None] = Counter()
    for event_id, body, status in session.execute(sa.select(Event.id, Event.body, Event.status)):
        if status is EventStatus.ACCEPTED:
            counts[read_number(body)] += 1
        else:
            found.wrong["LOST"].append(f"event {event_id} is quarantined")
    for number in sorted(acknowledged - counts.keys()):
        found.wrong["LOST"].append(f"post {number} was acknowledged and is no event")
    for number, count in counts.items():
        if count > 1:
            found.wrong["DUPLICATED"].append(f"post {number} is {count} events")


def _standing(
    session: Session, records: Iterable[Mapping[str, Any]], found: Reckoning
) -> list[Standing]:
    """Every entry; a record that no entry knows, or that it wants no more, is one too many."""
    by_reference: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        by_reference[record["reference"]].append(record)
    subjects = _subjects(session)
    standing = []
    for entry in session.scalars(sa.select(Entry).order_by(Entry.id)):
        suffix = "" if entry.incarnation == 1 else f"-{entry.incarnation}"
        known = by_reference.pop(entry.reference + suffix, [])
        subject = subjects[entry.subject_kind, entry.subject_id]
        standing.append(Standing(entry, subject, known))
    for reference, unknown in by_reference.items():
        ids = ", ".join(str(record["id"]) for record in unknown)
        found.wrong["DUPLICATED"].append(f"{ids} in the PMS: no entry is at {reference} any more")
    return standing


def _subjects(session: Session) -> dict[tuple[str, int], Subject]:
    texts = sa.select(Clinic.container_id, Transcript.id, Conversation.conversation_key).join_from(
        Transcript, Conversation, Transcript.conversation_id == Conversation.id
    )
    queries = {
        "call": sa.select(Clinic.container_id, Call.id, Call.call_uuid).select_from(Call),
        "callback": sa.select(Clinic.container_id, Callback.id, Callback.number),
        "transcript": texts,
    }
    owned = {"call": Call, "callback": Callback, "transcript": Transcript}
    return {
        (kind, number): (container, key)
        for kind, query in queries.items()
        for container, number, key in session.execute(
            query.join(Clinic, Clinic.id == owned[kind].clinic_id)
        )
    }


def _reckon_entries(session: Session, standing: Iterable[Standing], found: Reckoning) -> None:
    for each in standing:
        entry, ids = each.entry, ", ".join(str(record["id"]) for record in each.records)
        if entry.state in UNFINISHED:
            found.wrong["STUCK"].append(f"{_tell(session, entry)} is {entry.state}")
        if len(each.records) > (1 if entry.is_wanted else 0):
            found.wrong["DUPLICATED"].append(f"{_tell(session, entry)} stands as {ids}")
        if entry.state is EntryState.SYNCED and not each.records:
            found.wrong["LOST"].append(f"{_tell(session, entry)} is not in the PMS")
        for record in each.records:
            found.written[entry.kind.value] += 1
            body = record["body"].rpartition("\n")[0]
            said = (record["title"], body, record["client_id"])
            if said != (entry.content["title"], entry.content["body"], entry.client):
                found.wrong["STALE"].append(f"{_tell(session, entry)} differs from {ids}")


def _reckon_left(session: Session, found: Reckoning) -> None:
    for mark in session.scalars(sa.select(DueMark)):
        told = f"{mark.subject_kind} {mark.subject_key}"
        due = f"due at {mark.due_at:%H:%M:%S} after {mark.failures} failures"
        found.wrong["STUCK"].append(f"{told} is still {due}")
    for row in session.scalars(sa.select(OutboxRow)):
        found.wrong["STUCK"].append(f"entry {row.entry_id} is still in the outbox")
    for number in session.scalars(sa.select(Lookup.number).where(Lookup.due_at.is_not(None))):
        found.wrong["STUCK"].append(f"{number} is still to be looked up")


def _reckon_expected(expected: Expected, standing: Iterable[Standing], found: Reckoning) -> None:
    by_kind: dict[EntryKind, dict[Subject, list[Mapping[str, Any]]]] = {
        kind: defaultdict(list) for kind in EntryKind
    }
    for each in standing:
        by_kind[each.entry.kind][each.subject] += each.records
    wanted = {
        EntryKind.NOTE: expected.notes,
        EntryKind.TRANSCRIPT: expected.transcripts,
    }
    tasks = by_kind[EntryKind.TASK]
    for subject in tasks.keys() | expected.tasks.keys():
        _compare_tasks(subject, expected.tasks.get(subject, []), tasks[subject], found)
    for kind, subjects in wanted.items():
        for subject, want in subjects.items():
            _compare(kind, subject, want, by_kind[kind].pop(subject, []), found)
        for subject, records in by_kind[kind].items():
            if records:
                found.wrong["DUPLICATED"].append(f"{_name(kind, subject)} should have none")


def _compare_tasks(
    subject: Subject,
    wanted: list[Wanted],
    records: list[Mapping[str, Any]],
    found: Reckoning,
) -> None:
    """A number's tasks: one for each time that somebody had to call it back."""
    name = _name(EntryKind.TASK, subject)
    if len(records) != len(wanted):
        kind = "LOST" if len(records) < len(wanted) else "DUPLICATED"
        found.wrong[kind].append(f"{name} has {len(records)}, not {len(wanted)}")
        return
    wants = sorted((want.client, want.title, want.is_done) for want in wanted)
    stand = sorted((each["client_id"], each["title"], each["status"] == "done") for each in records)
    if stand != wants:
        found.wrong["STALE"].append(f"{name}: {stand}, not {wants}")


def _compare(
    kind: EntryKind,
    subject: Subject,
    want: Wanted,
    records: list[Mapping[str, Any]],
    found: Reckoning,
) -> None:
    name = _name(kind, subject)
    if not records:
        found.wrong["LOST"].append(f"{name} has none")
        return
    # A conversation that goes on over midnight has a transcript for each day.
    if len(records) > 1 and kind is not EntryKind.TRANSCRIPT:
        found.wrong["DUPLICATED"].append(f"{name} has {len(records)}")
    bodies = "\n".join(record["body"] for record in records)
    for record in records:
        if (record["client_id"], record["title"]) != (want.client, want.title):
            said = f"{record['title']!r} at {record['client_id']}"
            found.wrong["STALE"].append(f"{name}: {said}, not {want.title!r} at {want.client}")
    if missing := [text for text in want.texts if text not in bodies]:
        found.wrong["LOST"].append(f"{name} lacks {len(missing)} texts")


def _name(kind: EntryKind, subject: Subject) -> str:
    return f"{kind.value} of {subject[1]} at clinic {subject[0]}"


def _tell(session: Session, entry: Entry) -> str:
    """An entry with its last attempts, for whoever looks into it."""
    query = sa.select(Attempt).where(Attempt.entry_id == entry.id).order_by(Attempt.id.desc())
    tries = [
        f"{each.started_at:%H:%M:%S.%f} {each.action} v{each.version} {each.outcome}"
        + (f" ({each.error})" if each.error else "")
        for each in session.scalars(query.limit(6))
    ]
    versions = f"version {entry.version}, written {entry.written_version}"
    return f"{entry.kind} entry {entry.id} {entry.reference} ({versions}: {'; '.join(tries)})"

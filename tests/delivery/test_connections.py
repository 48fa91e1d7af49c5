"""Connections: opened in place of one another, paused, resumed, ended."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.delivery.account_settings import connector_for
from ringnote.delivery.answers import confirm_entry
from ringnote.delivery.connections import (
    end_connection,
    find_connection,
    open_connection,
    pause_connection,
    resume_connection,
)
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.delivery.outbox import claim, retry_entries
from ringnote.errors import ConfigError, InputError, OutcomeUnknown, Temporary
from ringnote.ledger.reconcile import Desired, reconcile
from ringnote.models import (
    Connection,
    ConnectionState,
    Doubt,
    Entry,
    EntryState,
    OutboxRow,
    Pace,
    SyncState,
)
from ringnote.runtime import Runtime
from stories import write

HERE, THERE = "http://127.0.0.1:9", "http://127.0.0.1:10"
NOW = utc_now()


@pytest.fixture
def clinic(db):
    return make_clinic(db)


def opened(runtime: Runtime, clinic, base_url=HERE, key="t", **over) -> Connection:
    with runtime.db.transaction() as session:
        return open_connection(
            session,
            runtime,
            clinic.id,
            "sandbox",
            {"base_url": base_url},
            {"token": key},
            now=NOW,
            **over,
        )


def get_entry(runtime: Runtime, entry_id: int) -> Entry:
    with runtime.db.reading() as session:
        return session.get(Entry, entry_id)


def rows(runtime: Runtime) -> list[OutboxRow]:
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(OutboxRow)))


def change(runtime: Runtime, kind: type, key: int, **values) -> None:
    with runtime.db.transaction() as session:
        for name, value in values.items():
            setattr(session.get(kind, key), name, value)


def test_an_opened_connection_is_in_use_and_its_secrets_are_sealed(runtime, clinic):
    connection = opened(runtime, clinic, key="s3cret")

    with runtime.db.reading() as session:
        found = find_connection(session, clinic.id)
    assert found.id == connection.id
    assert b"s3cret" not in found.secrets
    assert runtime.vault.open(found.secrets) == {"token": "s3cret"}
    assert connector_for(found, runtime).name == "sandbox"


def test_what_the_clinic_owes_is_due_through_a_new_connection(runtime, clinic):
    entry_id = make_entry(runtime.db, clinic, None)

    connection = opened(runtime, clinic)

    assert [(row.entry_id, row.connection_id) for row in rows(runtime)] == [
        (entry_id, connection.id)
    ]
    assert [work.entry_id for work in claim(runtime.db, 5)] == [entry_id]


def test_watch_only_writes_nothing_until_it_is_opened_for_writing(runtime, clinic):
    entry_id = make_entry(runtime.db, clinic, None)

    opened(runtime, clinic, is_watch_only=True)
    watched = (get_entry(runtime, entry_id).reason, rows(runtime), claim(runtime.db, 5))
    opened(runtime, clinic)

    assert watched == ("watch only: nothing is written", [], [])
    assert [work.entry_id for work in claim(runtime.db, 5)] == [entry_id]


def test_what_happened_before_its_start_is_left_alone(runtime, clinic):
    entry_id = make_entry(runtime.db, clinic, None)

    opened(runtime, clinic, since=datetime(2026, 11, 20, 10, 1, tzinfo=UTC))

    assert get_entry(runtime, entry_id).state is EntryState.WITHDRAWN
    assert rows(runtime) == []


def test_opening_ends_the_former_connection(runtime, clinic):
    former = opened(runtime, clinic)

    opened(runtime, clinic, THERE)

    with runtime.db.reading() as session:
        assert session.get(Connection, former.id).ended_at == NOW
        assert find_connection(session, clinic.id).settings == {"base_url": THERE}


def test_the_same_account_with_another_token_goes_on_with_what_was_written(runtime, clinic):
    former = opened(runtime, clinic)
    entry_id = make_entry(runtime.db, clinic, former)
    change(runtime, Entry, entry_id, pms_id="N1", connection_id=former.id)

    connection = opened(runtime, clinic, key="another")

    assert get_entry(runtime, entry_id).connection_id == connection.id
    assert [row.connection_id for row in rows(runtime)] == [connection.id]


def test_the_same_account_with_another_token_goes_on_syncing_where_it_stood(runtime, clinic):
    former = opened(runtime, clinic)
    with runtime.db.transaction() as session:
        session.add(SyncState(connection_id=former.id, cursor={"updated_since": "then"}))

    connection = opened(runtime, clinic, key="another")

    with runtime.db.reading() as session:
        assert session.get(SyncState, connection.id).cursor == {"updated_since": "then"}


def test_back_at_an_account_after_another_all_its_clients_are_read_anew(runtime, clinic):
    former = opened(runtime, clinic)
    with runtime.db.transaction() as session:
        session.add(SyncState(connection_id=former.id, cursor={"updated_since": "then"}))
    opened(runtime, clinic, THERE)

    back = opened(runtime, clinic)

    with runtime.db.reading() as session:
        assert session.get(SyncState, back.id).cursor == {}


def test_another_account_leaves_what_was_written_to_the_former_one(runtime, clinic):
    former = opened(runtime, clinic)
    entry_id = make_entry(runtime.db, clinic, former)
    change(runtime, Entry, entry_id, pms_id="N1", connection_id=former.id)

    opened(runtime, clinic, THERE)

    entry = get_entry(runtime, entry_id)
    assert (entry.connection_id, entry.state) == (former.id, EntryState.SYNCED)
    assert rows(runtime) == []


@pytest.mark.parametrize(
    ("before", "now", "is_same"), [("4711", "4712", False), ("4711", "4711", True), ("", "1", True)]
)
def test_an_account_of_another_id_is_another_one_whatever_the_settings(
    runtime, clinic, before, now, is_same
):
    former = opened(runtime, clinic, account_id=before)
    entry = make_entry(runtime.db, clinic, former)
    change(runtime, Entry, entry, pms_id="N1", connection_id=former.id)

    connection = opened(runtime, clinic, key="another", account_id=now)

    assert get_entry(runtime, entry).connection_id == (connection if is_same else former).id


def test_all_that_is_wrong_with_settings_is_told_at_once_and_changes_nothing(runtime, clinic):
    former = opened(runtime, clinic)

    with pytest.raises(ConfigError) as caught, runtime.db.transaction() as session:
        open_connection(
            session,
            runtime,
            clinic.id,
            "sandbox",
            {"base_url": "hidden value", "colour": "hidden", "token": "hidden"},
            {},
            now=NOW,
        )

    named = [each.split()[0] for each in caught.value.faults]
    assert named == ["colour", "token", "base_url"]
    assert "hidden" not in str(caught.value)
    with runtime.db.reading() as session:
        assert find_connection(session, clinic.id).id == former.id


def test_an_unknown_connector_is_told_with_what_was_meant(runtime, clinic):
    with (
        pytest.raises(InputError, match="did you mean sandbox"),
        runtime.db.transaction() as session,
    ):
        open_connection(session, runtime, clinic.id, "sandbx", {}, {}, now=NOW)


def test_a_paused_connection_writes_nothing_and_a_resumed_one_all_at_once(runtime, clinic):
    connection = make_connection(runtime.db, clinic)
    entry_id = make_entry(runtime.db, clinic, connection)
    later, days_ago = NOW + timedelta(hours=1), NOW - timedelta(days=4)
    change(runtime, OutboxRow, entry_id, due_at=later, queued_at=days_ago, attempts=9)
    change(runtime, Pace, connection.id, blocked_until=later, failures=5)

    with runtime.db.transaction() as session:
        pause_connection(session, connection.id, "a person said so")
    paused = claim(runtime.db, 5)
    with runtime.db.transaction() as session:
        owed = resume_connection(session, runtime.db, connection.id)

    assert (paused, owed) == ([], 1)
    [work] = claim(runtime.db, 5)
    assert work.entry_id == entry_id
    # The days for which it was paused bring it no nearer to being given up.
    assert work.queued_at > days_ago + timedelta(days=3)


def test_pausing_keeps_the_reason_and_resuming_forgets_it(runtime, clinic):
    connection = make_connection(runtime.db, clinic)

    with runtime.db.transaction() as session:
        pause_connection(session, connection.id, "a person said so")
        reason = find_connection(session, clinic.id).paused_reason
        resume_connection(session, runtime.db, connection.id)
        resumed = find_connection(session, clinic.id)

    assert reason == "a person said so"
    assert (resumed.state, resumed.paused_reason) == (ConnectionState.ACTIVE, None)


def test_resuming_leaves_alone_what_is_set_aside_and_what_is_being_written(runtime, clinic):
    connection = make_connection(runtime.db, clinic)
    aside, leased = (make_entry(runtime.db, clinic, connection) for _ in range(2))
    later = NOW + timedelta(hours=1)
    change(runtime, Entry, aside, state=EntryState.SET_ASIDE)
    change(runtime, OutboxRow, aside, due_at=later)
    change(runtime, OutboxRow, leased, due_at=later, lease_token="held")

    with runtime.db.transaction() as session:
        owed = resume_connection(session, runtime.db, connection.id)

    assert owed == 0
    assert [row.due_at for row in rows(runtime)] == [later, later]


def test_what_an_ended_connection_was_owed_waits_for_another_one(runtime, clinic):
    connection = make_connection(runtime.db, clinic)
    entry_id = make_entry(runtime.db, clinic, connection)
    change(runtime, Entry, entry_id, state=EntryState.RETRYING, reason="the PMS is away")

    with runtime.db.transaction() as session:
        end_connection(session, connection.id, NOW)

    entry = get_entry(runtime, entry_id)
    assert (entry.state, entry.reason) == (EntryState.DUE, "no PMS is connected yet")
    assert claim(runtime.db, 5) == []
    opened(runtime, clinic)
    assert [work.entry_id for work in claim(runtime.db, 5)] == [entry_id]


def test_a_connector_that_this_version_has_not_is_a_fault(runtime, clinic):
    connection = make_connection(runtime.db, clinic, "gone")

    with pytest.raises(ConfigError, match="no connector is called gone"):
        connector_for(connection, runtime)


def entry_of(runtime: Runtime, clinic, pms: MemoryConnector) -> int:
    """An entry that was written to the account in use."""
    entry_id = make_entry(runtime.db, clinic, find_in_use(runtime, clinic))
    write(runtime, pms)
    return entry_id


def find_in_use(runtime: Runtime, clinic) -> Connection:
    with runtime.db.reading() as session:
        return find_connection(session, clinic.id)


def amend(runtime: Runtime, entry_id: int, client: str = "C1", *, is_wanted: bool = True) -> None:
    """Have the entry's subject settle to another text, or to none."""
    with runtime.db.transaction() as session:
        entry = session.get(Entry, entry_id)
        wanted = Desired(entry.kind, client, entry.content | {"title": "Another title"})
        desired = [wanted] if is_wanted else []
        reconcile(session, runtime.db, entry.clinic_id, subject_of(entry), desired, NOW)


def subject_of(entry: Entry) -> tuple[str, int]:
    return entry.subject_kind, entry.subject_id


def test_back_at_the_former_account_what_changed_meanwhile_is_amended_there(runtime, clinic):
    here, there = MemoryConnector(), MemoryConnector()
    opened(runtime, clinic, HERE)
    entry_id, other_id = (entry_of(runtime, clinic, here) for _ in range(2))
    opened(runtime, clinic, THERE)
    amend(runtime, entry_id)
    write(runtime, there)
    assert get_entry(runtime, entry_id).reason == "written to a former connection, so not amended"

    opened(runtime, clinic, HERE)
    write(runtime, here)

    assert there.notes == {}
    assert sorted(note.title for note in here.notes.values()) == ["A title", "Another title"]
    assert get_entry(runtime, entry_id).reason is None
    assert [get_entry(runtime, each).state for each in (entry_id, other_id)] == ["synced"] * 2


def test_what_was_to_be_withdrawn_at_the_former_account_is_once_it_is_back(runtime, clinic):
    here, there = MemoryConnector(), MemoryConnector()
    opened(runtime, clinic, HERE)
    entry_id = entry_of(runtime, clinic, here)
    opened(runtime, clinic, THERE)
    amend(runtime, entry_id, is_wanted=False)
    write(runtime, there)
    assert len(here.notes) == 1

    opened(runtime, clinic, HERE)
    write(runtime, here)

    assert (here.notes, get_entry(runtime, entry_id).state) == ({}, "withdrawn")


def test_what_is_under_way_when_the_account_is_changed_counts_where_it_was_written(runtime, clinic):
    here, there = MemoryConnector(), MemoryConnector()
    first = opened(runtime, clinic, HERE)
    entry_id = make_entry(runtime.db, clinic, first)
    [work] = claim(runtime.db, 10)
    opened(runtime, clinic, THERE)

    finish_one(runtime, work, here)
    write(runtime, there)

    entry = get_entry(runtime, entry_id)
    assert (entry.state, entry.connection_id, rows(runtime)) == ("synced", first.id, [])
    assert (len(here.notes), there.notes) == (1, {})


def test_what_failed_before_the_account_was_changed_is_written_to_the_new_one(runtime, clinic):
    here, there = MemoryConnector(), MemoryConnector()
    first = opened(runtime, clinic, HERE)
    entry_id = make_entry(runtime.db, clinic, first)
    here.failures = [Temporary("busy")]
    [work] = claim(runtime.db, 10)
    second = opened(runtime, clinic, THERE)

    finish_one(runtime, work, here)
    have_due(runtime)
    write(runtime, there)

    assert get_entry(runtime, entry_id).connection_id == second.id
    assert (here.notes, len(there.notes)) == ({}, 1)


def test_what_waited_for_its_client_is_written_to_the_account_that_is_in_use_then(runtime, clinic):
    there = MemoryConnector()
    opened(runtime, clinic, HERE)
    entry_id = make_entry(runtime.db, clinic, None, client="")
    with runtime.db.transaction() as session:
        session.get(Entry, entry_id).state = EntryState.WAITING
    second = opened(runtime, clinic, THERE)

    amend(runtime, entry_id, "C7")
    write(runtime, there)

    assert [note.client_id for note in there.notes.values()] == ["C7"]
    assert get_entry(runtime, entry_id).connection_id == second.id


def have_due(runtime: Runtime) -> None:
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=NOW - timedelta(seconds=1)))


def finish_one(runtime: Runtime, work, pms: MemoryConnector) -> None:
    finish_all(runtime.db, [(work, deliver(work, pms, tools(runtime.db)))])


def unanswered(runtime: Runtime, clinic, connection: Connection, pms: MemoryConnector) -> int:
    """An entry whose create was carried out at `connection`, though no answer came."""
    entry_id = make_entry(runtime.db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    [work] = claim(runtime.db, 1)
    finish_all(runtime.db, [(work, deliver(work, pms, tools(runtime.db)))])
    return entry_id


def deny(runtime: Runtime, entry_id: int) -> None:
    with runtime.db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        retry_entries(session, runtime.db, [entry], "amy")


def test_a_create_in_doubt_at_another_account_is_asked_about_and_not_sent_to_this_one(
    runtime, clinic
):
    former, old = opened(runtime, clinic), MemoryConnector()
    there, left = (unanswered(runtime, clinic, former, old) for _ in range(2))
    with runtime.db.transaction() as session:
        session.get_one(Entry, left).is_wanted = False
    new = opened(runtime, clinic, THERE)
    pms = MemoryConnector()

    write(runtime, pms)

    entry = get_entry(runtime, there)
    assert (entry.state, entry.doubt) == (EntryState.SET_ASIDE, Doubt.ASKED)
    assert "to the former account" in entry.reason
    assert entry.reference in entry.reason
    assert get_entry(runtime, left).state is EntryState.WITHDRAWN
    assert pms.calls == []
    deny(runtime, there)
    write(runtime, pms)
    assert (get_entry(runtime, there).connection_id, len(pms.notes)) == (new.id, 1)


def test_back_at_the_account_where_it_is_in_doubt_it_is_looked_up_there(runtime, clinic):
    former = opened(runtime, clinic)
    pms = MemoryConnector()
    entry_id = unanswered(runtime, clinic, former, pms)
    opened(runtime, clinic, THERE)

    back = opened(runtime, clinic, key="another")
    write(runtime, pms)

    entry = get_entry(runtime, entry_id)
    assert (entry.state, entry.doubt, entry.connection_id) == (EntryState.SYNCED, None, back.id)
    assert len(pms.notes) == 1


def test_what_a_person_confirms_at_the_former_account_is_never_amended_at_this_one(runtime, clinic):
    former = opened(runtime, clinic)
    entry_id = unanswered(runtime, clinic, former, MemoryConnector())
    opened(runtime, clinic, THERE)

    with runtime.db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        confirm_entry(session, runtime.db, entry, "N1", "amy", NOW)

    entry = get_entry(runtime, entry_id)
    assert (entry.state, entry.connection_id) == (EntryState.SYNCED, former.id)
    assert rows(runtime) == []


@pytest.mark.parametrize(
    ("failure", "has_moved_on", "state"),
    [
        (None, False, EntryState.SYNCED),
        (None, True, EntryState.SYNCED),
        (Temporary("busy"), False, EntryState.DUE),
        (OutcomeUnknown("no answer"), True, EntryState.SET_ASIDE),
    ],
)
def test_what_is_being_written_while_the_account_changes_stays_where_it_is_written(
    runtime, clinic, failure, has_moved_on, state
):
    former = opened(runtime, clinic)
    entry_id = make_entry(runtime.db, clinic, former)
    pms = MemoryConnector()
    pms.failures = [failure] if failure else []
    [work] = claim(runtime.db, 1)

    new = opened(runtime, clinic, THERE)
    if has_moved_on:
        with runtime.db.transaction() as session:
            session.get_one(Entry, entry_id).version += 1
    finish_all(runtime.db, [(work, deliver(work, pms, tools(runtime.db)))])

    entry = get_entry(runtime, entry_id)
    owed = [(row.connection_id, row.is_in_doubt) for row in rows(runtime)]
    assert entry.state is state
    assert (entry.connection_id == former.id) is (failure is None)
    assert (
        owed
        == {
            EntryState.SYNCED: [],
            EntryState.DUE: [(new.id, False)],
            EntryState.SET_ASIDE: [(former.id, True)],
        }[state]
    )


def test_what_is_being_written_while_the_token_changes_goes_on_at_the_new_connection(
    runtime, clinic
):
    entry_id = make_entry(runtime.db, clinic, opened(runtime, clinic))
    [work] = claim(runtime.db, 1)

    new = opened(runtime, clinic, key="another")
    finish_all(runtime.db, [(work, deliver(work, MemoryConnector(), tools(runtime.db)))])

    assert get_entry(runtime, entry_id).connection_id == new.id

"""Following a PMS's clients."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection, make_settled_call
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import ClientPage, Phone, PmsClient
from ringnote.db import Database
from ringnote.directory import sync
from ringnote.directory.clients import store_clients
from ringnote.directory.sync import SyncResult, sync_clients
from ringnote.directory.sync_state import find_due, set_schedule, tell_sync
from ringnote.errors import CredentialsRejected, InputError, RateLimited, Temporary
from ringnote.models import (
    Call,
    Client,
    ClientNumber,
    Clinic,
    DueMark,
    Entry,
    EntryKind,
    EntryState,
    Match,
    SyncState,
)

ONE = "+12125550142"


class Pages(MemoryConnector):
    """Gives out `pages`, each with the cursor {"at": its number}, from a cursor on."""

    capabilities = replace(MemoryConnector.capabilities, delta_sync=True)

    def __init__(self, *pages: tuple[PmsClient, ...]) -> None:
        super().__init__()
        self.pages = list(pages)
        self.asked: list[Mapping[str, str] | None] = []
        self.before: dict[int, Callable[[], None]] = {}

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        self.asked.append(cursor)
        start = int(cursor["at"]) if cursor else 0
        for number, page in enumerate(self.pages[start:], start + 1):
            self.before.get(number, lambda: None)()
            yield ClientPage(page, {"at": str(number)})


def has(client: str, number: str = "", **more: object) -> PmsClient:
    phones = (Phone(number),) if number else ()
    return PmsClient(client, f"Name {client}", phones, **more)  # type: ignore[arg-type]


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


@pytest.fixture
def connection_id(db: Database, clinic: Clinic) -> int:
    return make_connection(db, clinic).id


def known(db: Database) -> set[str]:
    with db.reading() as session:
        return set(session.scalars(sa.select(Client.external_id)))


def state(db: Database) -> SyncState:
    with db.reading() as session:
        return session.scalars(sa.select(SyncState)).one()


@pytest.fixture
def run(db: Database, clinic: Clinic, connection_id: int) -> Callable[..., SyncResult]:
    def run_once(connector: Pages, **more: object) -> SyncResult:
        return sync_clients(db, clinic, connection_id, connector, utc_now, **more)  # type: ignore[arg-type]

    return run_once


def test_the_first_run_reads_all_and_the_next_only_what_changed(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a"), has("b")), (has("c"),))

    first = run(pms)
    pms.pages.append((has("d"),))
    second = run(pms)

    assert (first.is_full, first.clients, first.tally.added) == (True, 3, 3)
    assert (second.is_full, second.clients, second.tally.added) == (False, 1, 1)
    assert pms.asked == [None, {"at": "2"}]
    assert known(db) == {"a", "b", "c", "d"}
    after = state(db)
    assert (after.cursor, after.lease_token, after.reason) == ({"at": "3"}, None, None)
    assert after.finished_at is not None


def test_a_full_run_reads_all_anew(run: Callable[..., SyncResult]) -> None:
    pms = Pages((has("a"),))
    run(pms)

    again = run(pms, full=True)

    assert pms.asked == [None, None]
    assert (again.is_full, again.tally.unchanged) == (True, 1)


def test_a_pms_without_deltas_is_read_whole_each_time(run: Callable[..., SyncResult]) -> None:
    pms = Pages((has("a"),))
    pms.capabilities = replace(pms.capabilities, delta_sync=False)  # type: ignore[misc]
    run(pms)

    run(pms)

    assert pms.asked == [None, None]


def test_renames_deletions_and_merges_are_followed(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a", "2125550142"), has("b"), has("c", "2125550143")))
    run(pms)
    pms.pages.append(
        (
            PmsClient("a", "", is_deleted=True, merged_into="b"),
            PmsClient("b", "Renamed"),
            PmsClient("c", "", is_deleted=True),
        )
    )

    result = run(pms)

    assert (result.tally.updated, result.tally.deleted) == (1, 2)
    with db.reading() as session:
        rows = session.execute(
            sa.select(Client.external_id, Client.name, Client.merged_into, Client.deleted_at)
        )
        found = {row.external_id: row for row in rows}
    assert found["a"].merged_into == "b"
    assert found["b"].name == "Renamed"
    assert found["c"].deleted_at is not None


def test_what_waited_for_a_client_is_due_once_it_comes(
    db: Database, clinic: Clinic, run: Callable[..., SyncResult]
) -> None:
    call = make_settled_call(db, clinic, ONE)

    result = run(Pages((has("a", "(212) 555-0142"),)))

    assert result.now_due == 1
    with db.reading() as session:
        assert session.scalars(sa.select(DueMark.subject_key)).all() == [call.call_uuid]


def test_a_run_that_fails_keeps_what_it_had_and_the_next_goes_on_there(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a"),), (has("b"),))

    def fail() -> None:
        raise Temporary("the PMS cannot be reached")

    pms.before[2] = fail
    with pytest.raises(Temporary):
        run(pms)
    stopped = state(db)
    pms.before.clear()
    run(pms)

    assert stopped.cursor == {"at": "1"}
    assert stopped.reason == "the PMS cannot be reached"
    assert stopped.lease_token is None
    assert pms.asked == [None, {"at": "1"}]
    assert known(db) == {"a", "b"}


def test_two_never_run_at_once(run: Callable[..., SyncResult]) -> None:
    pms = Pages((has("a"),))
    refused: list[str] = []

    def start_another() -> None:
        with pytest.raises(InputError, match="running already") as told:
            run(Pages((has("z"),)))
        refused.append(str(told.value))

    pms.before[1] = start_another
    run(pms)

    assert len(refused) == 1


def test_a_run_that_died_is_taken_over_once_its_lease_is_over_and_writes_no_more(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a"),), (has("b"),))

    def outlive_the_lease() -> None:
        with db.transaction() as session:
            session.execute(sa.update(SyncState).values(leased_until=db.later(-1)))
        run(Pages((has("a"),), (has("c"),)))

    pms.before[2] = outlive_the_lease
    with pytest.raises(InputError, match="took over"):
        run(pms)

    assert known(db) == {"a", "c"}
    assert state(db).finished_at is not None


def test_no_transaction_is_open_while_the_pms_is_asked(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a"),), (has("b"),))
    in_use: list[int] = []
    for number in (1, 2):
        pms.before[number] = lambda: in_use.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]

    run(pms)

    assert in_use == [0, 0]


def test_pages_that_repeat_stop_the_run_and_lose_nothing(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    round_ = ((has("a"),), (has("b"),))

    result = run(Pages(*round_ * 1000))

    assert result.reason == "the PMS gave the same page of clients twice"
    assert (result.pages, known(db)) == (2, {"a", "b"})
    assert state(db).reason == result.reason
    assert state(db).finished_at is None


def test_empty_pages_without_end_stop_the_run(run: Callable[..., SyncResult]) -> None:
    result = run(Pages((has("a"),), *[()] * 1000))

    assert result.reason == "the PMS gave more than 100 empty pages in a row"


def test_clients_without_end_stop_the_run(
    db: Database, run: Callable[..., SyncResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MAX_CLIENTS", 3)

    result = run(Pages(*[(has(str(number)),) for number in range(10)]))

    assert result.reason == "the PMS gave more than 3 clients"
    assert known(db) == {"0", "1", "2"}


def test_progress_is_told_page_by_page(run: Callable[..., SyncResult]) -> None:
    heard: list[int] = []

    run(Pages((has("a"), has("b")), (has("c"),)), progress=heard.append)

    assert heard == [2, 3]


def without_deltas(*pages: tuple[PmsClient, ...]) -> Pages:
    pms = Pages(*pages)
    pms.capabilities = replace(pms.capabilities, delta_sync=False)  # type: ignore[misc]
    return pms


def living(db: Database) -> set[str]:
    with db.reading() as session:
        return set(
            session.scalars(sa.select(Client.external_id).where(Client.deleted_at.is_(None)))
        )


def test_whom_a_whole_reading_no_longer_tells_of_is_marked_deleted(
    db: Database, clinic: Clinic, run: Callable[..., SyncResult]
) -> None:
    make_client(db, clinic, "imported", "From a list")
    made = make_client(db, clinic, "made", "A caller")
    with db.transaction() as session:
        session.get_one(Client, made.id).source = "created"
    run(without_deltas((has("a", "2125550142"), has("b")), (has("c"),)))

    result = run(without_deltas((has("b"),), (has("c"),)))

    assert living(db) == {"b", "c", "imported"}
    assert result.tally.deleted == 1
    with db.reading() as session:
        assert session.scalars(sa.select(ClientNumber.number)).all() == []


def test_nobody_is_marked_deleted_by_a_reading_that_broke_off_until_it_is_whole(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    run(without_deltas((has("a"),), (has("b"),), (has("c"),)))
    broken = without_deltas((has("b"),), (has("c"),))

    def fail() -> None:
        raise Temporary("the PMS cannot be reached")

    broken.before[2] = fail
    with pytest.raises(Temporary):
        run(broken)
    in_between = living(db)
    broken.before.clear()
    resumed = run(broken)

    assert in_between == {"a", "b", "c"}
    assert (resumed.is_full, resumed.clients) == (True, 1)
    assert living(db) == {"b", "c"}


def test_a_pms_that_tells_suddenly_of_few_clients_is_not_believed_until_a_person_says_so(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    everybody = tuple(has(f"c{number}") for number in range(30))
    run(without_deltas(everybody))

    doubted = run(without_deltas(everybody[:14]))
    emptied = run(without_deltas())
    kept = living(db)
    believed = run(without_deltas(everybody[:14]), remove_missing=True)

    assert "told of 14 clients, where it had told of 30" in (doubted.reason or "")
    assert emptied.reason is not None
    assert len(kept) == 30
    assert (believed.reason, len(living(db))) == (None, 14)


def test_a_pms_that_tells_of_nobody_is_not_believed_at_the_first_run_either(
    run: Callable[..., SyncResult], db: Database, clinic: Clinic
) -> None:
    with db.transaction() as session:
        store_clients(session, db, clinic.id, [has("a", ONE)], "lookup", utc_now(), "US")

    result = run(Pages())

    assert (result.reason or "").startswith("the PMS told of no client, so none was marked deleted")
    assert living(db) == {"a"}


def test_a_cursor_that_comes_back_stops_the_run(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    class Circle(Pages):
        def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
            for number in range(1000):
                yield ClientPage((has(str(number)),), {"at": str(number % 3)})

    result = run(Circle())

    assert result.reason == "the PMS led back to a page that it had given"
    assert known(db) == {"0", "1", "2"}


def test_garbage_in_a_client_is_cut_and_costs_nobody_else(
    db: Database, run: Callable[..., SyncResult]
) -> None:
    pages = (
        PmsClient("a", "Nul\x00 and \ud800half", (Phone("2125550142\x00", "x\x00"),), ("Re\x00x",)),
        PmsClient("", "No id"),
        PmsClient("b\x00", "A broken id"),
        PmsClient("c", "n" * 100_000, tuple(Phone("9" * 5000) for _ in range(999))),
        PmsClient("d", "Itself", merged_into="d"),
    )

    result = run(Pages(pages))

    assert result.reason is None
    assert known(db) == {"a", "c", "d"}
    with db.reading() as session:
        row = session.scalars(sa.select(Client).where(Client.external_id == "a")).one()
    assert (row.name, row.patients) == ("Nul and half", ["Rex"])


def test_runs_that_fail_are_tried_ever_more_rarely_and_not_before_the_pms_says(
    db: Database, connection_id: int, run: Callable[..., SyncResult]
) -> None:
    def waits(error: Exception) -> float:
        def fail() -> None:
            raise error

        pms = Pages((has("a"),))
        pms.before[1] = fail
        with pytest.raises(type(error)):
            run(pms)
        return (state(db).due_at - utc_now()).total_seconds()

    first, second = waits(Temporary("away")), waits(Temporary("away"))
    told = waits(RateLimited("slow down", retry_after=4000))
    refused = waits(CredentialsRejected("no"))

    assert 55 < first < 75 < 115 < second < 150
    assert 3990 < told <= 4000
    assert 3500 < refused <= 3600
    run(Pages((has("a"),)))
    assert state(db).failures == 0
    assert 800 < (state(db).due_at - utc_now()).total_seconds() < 1000


def test_what_is_due_is_found_but_not_what_is_followed_or_switched_off(
    db: Database, clinic: Clinic, connection_id: int, run: Callable[..., SyncResult]
) -> None:
    before = find_due(db)
    during: list[int | None] = []
    pms = Pages((has("a"),))
    pms.before[1] = lambda: during.append(find_due(db))
    run(pms)

    after = find_due(db)
    with db.transaction() as session:
        set_schedule(session, db, connection_id, 60)
    again = find_due(db)
    with db.transaction() as session:
        set_schedule(session, db, connection_id, 0)

    assert (before, during, after, again) == (connection_id, [None], None, connection_id)
    assert find_due(db) is None
    with db.transaction() as session:
        set_schedule(session, db, connection_id, 60)
    assert find_due(db, [clinic.id]) is None


def test_it_is_told_how_far_the_following_is(
    db: Database, connection_id: int, run: Callable[..., SyncResult]
) -> None:
    def told() -> tuple[str, int, int | None]:
        with db.reading() as session:
            value = tell_sync(session, db, connection_id)
        return value["state"], value["clients_seen"], value["clients_total"]

    told_during: list[tuple[str, int, int | None]] = []
    pms = Pages((has("a"), has("b")), (has("c"),))
    pms.before[2] = lambda: told_during.append(told())
    before = told()
    run(pms)

    assert before == ("never", 0, None)
    assert told_during == [("running", 2, None)]
    assert told() == ("followed", 3, 3)


def test_a_merge_repoints_what_was_written_and_settles_anew_what_was_not(
    db: Database, clinic: Clinic, connection_id: int, run: Callable[..., SyncResult]
) -> None:
    pms = Pages((has("a", "2125550142"), has("b")))
    run(pms)
    written = make_settled_call(db, clinic, ONE, kind="client", client="a")
    unwritten = make_settled_call(db, clinic, ONE, kind="client", client="a")
    with db.transaction() as session:
        for call, pms_id in ((written, "N1"), (unwritten, None)):
            session.add(make_note(clinic, call, "a", pms_id))
    pms.pages.append((PmsClient("a", "", is_deleted=True, merged_into="b"),))

    run(pms)

    with db.reading() as session:
        entries = session.execute(sa.select(Entry.client, Entry.pms_id, Entry.version)).all()
        matches = set(session.scalars(sa.select(Match.client)))
        due = session.scalars(sa.select(DueMark.subject_key)).all()
    assert set(entries) == {("b", "N1", 1), ("a", None, 1)}
    assert matches == {"b"}
    assert due == [unwritten.call_uuid]


def make_note(clinic: Clinic, call: Call, client: str, pms_id: str | None) -> Entry:
    return Entry(
        clinic_id=clinic.id,
        subject_kind="call",
        subject_id=call.id,
        kind=EntryKind.NOTE,
        client=client,
        state=EntryState.SYNCED if pms_id else EntryState.SET_ASIDE,
        content={},
        reference=f"rn-{call.id}",
        pms_id=pms_id,
        created_at=utc_now(),
        updated_at=utc_now(),
    )

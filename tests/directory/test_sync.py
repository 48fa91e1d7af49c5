"""Following a PMS's clients."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_settled_call
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import ClientPage, Phone, PmsClient
from ringnote.db import Database
from ringnote.directory import sync
from ringnote.directory.sync import SyncResult, sync_clients
from ringnote.errors import InputError, Temporary
from ringnote.models import Client, Clinic, DueMark, SyncState

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

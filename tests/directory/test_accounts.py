"""Between two PMS accounts: what the former one told of clients decides nothing at the new one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from factories import make_clinic
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import Phone, PmsClient
from ringnote.delivery.connections import open_connection
from ringnote.directory.choices import ignore_number, map_number
from ringnote.directory.csv_import import import_clients
from ringnote.directory.lookup import answer_lookup, claim_lookup, queue_lookup
from ringnote.directory.rulings import list_rules
from ringnote.directory.sync import sync_clients
from ringnote.directory.sync_state import set_schedule
from ringnote.errors import InputError, Temporary
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import Client, Clinic, Connection, Match, Policy, SyncState
from ringnote.runtime import Runtime
from stories import CALLER, entries, settle, write
from stories import Phone as Telephone

SEARCHES, LISTS = "searches", "lists"
"""An account that can be asked for a number, and one whose clients must all be read."""
ZONE = ZoneInfo(f"Etc/GMT{utc_now().hour - 12:+d}")
"""Where it is noon now, so that all of a test is of one day."""
JANE = PmsClient("5", "Jane Doe", (Phone(CALLER),))
ANOTHER = "+12125550143"


class Pms(MemoryConnector):
    """Tells of these clients; each reading of all may be joined by something that happens."""

    def __init__(self, *clients: PmsClient, during: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.clients = list(clients)
        self.during = during

    def iter_clients(self, cursor):
        self.during()
        yield from super().iter_clients(cursor)


@pytest.fixture
def clinic(db) -> Clinic:
    return make_clinic(db, timezone=ZONE.key)


@pytest.fixture
def telephone(runtime, clinic) -> Telephone:
    return Telephone(runtime, clinic)


def connect(
    runtime: Runtime,
    clinic: Clinic,
    site: str,
    kind=SEARCHES,
    since=None,
    ahead=timedelta(),
    lets_in=True,
) -> Connection:
    """A connection that was opened a moment after all that happened before."""
    names = {
        SEARCHES: ("sandbox", {"base_url": f"http://{site}.example"}, {"token": "t"}),
        LISTS: ("cliniko", {"contact_email": "it@example.org"}, {"api_key": f"key-{site}-us1"}),
    }
    connector, settings, secrets = names[kind]
    with runtime.db.transaction() as session:
        return open_connection(
            session,
            runtime,
            clinic.id,
            connector,
            settings,
            secrets,
            since=since,
            account_id=site if lets_in else "",
            now=utc_now() + ahead,
        )


def read_all(runtime: Runtime, clinic: Clinic, connection: Connection, pms: Pms) -> None:
    sync_clients(runtime.db, clinic, connection.id, pms, utc_now)


def ask(runtime: Runtime, pms: Pms) -> None:
    while lookup := claim_lookup(runtime.db):
        answer_lookup(runtime.db, lookup, pms, utc_now)


def matches(runtime: Runtime) -> dict[str, str]:
    """Whom each call belongs to, by its number; '' while that waits."""
    with runtime.db.reading() as session:
        return {each.number: each.client for each in session.scalars(sa.select(Match))}


def midnight() -> datetime:
    """Of the clinic's day: what `--since` of today means."""
    return utc_now().astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("kind", [SEARCHES, LISTS])
def test_a_call_between_two_accounts_waits_for_the_clients_of_the_new_one(
    runtime, clinic, telephone, kind
):
    read_all(runtime, clinic, connect(runtime, clinic, "old", kind), Pms(JANE))
    new = connect(runtime, clinic, "new", kind)
    telephone.missed("u-1")
    settle(runtime)
    waits = matches(runtime)

    read_all(runtime, clinic, new, Pms(PmsClient("5", "Bob Roe"), replace(JANE, id="77")))
    settle(runtime)

    assert waits == {CALLER: ""}
    assert {each.client for each in entries(runtime)} == {"77"}


def test_a_number_that_the_new_account_is_asked_for_needs_no_sync(runtime, clinic, telephone):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    connect(runtime, clinic, "new")
    telephone.missed("u-1")
    settle(runtime)

    ask(runtime, Pms(replace(JANE, id="77")))
    settle(runtime)

    assert matches(runtime) == {CALLER: "77"}


@pytest.mark.parametrize("unknown", ["ignore", "wait"])
def test_nobody_is_a_stranger_before_all_clients_of_the_new_account_are_read(
    runtime, clinic, telephone, unknown
):
    with runtime.db.transaction() as session:
        rules = DEFAULT_RULES | {
            "matching": {"unknown": unknown},
            "strangers": {"record": "0", "notes": "record"},
        }
        more = {"version": 2, "created_at": utc_now(), "created_by": "test"}
        session.add(Policy(clinic_id=clinic.id, rules=rules, **more))
    read_all(runtime, clinic, connect(runtime, clinic, "old", LISTS), Pms(JANE))
    new = connect(runtime, clinic, "new", LISTS)
    telephone.answered("u-1")
    telephone.answered("u-2", ANOTHER)
    settle(runtime)
    between = [(each.client, each.state) for each in entries(runtime)]

    read_all(runtime, clinic, new, Pms(replace(JANE, id="77")))
    settle(runtime)

    assert between == [("", "waiting")] * 2
    wanted = {each.client for each in entries(runtime) if each.is_wanted}
    assert wanted == ({"77"} if unknown == "ignore" else {"77", "0"})


def ignore_strangers(session, clinic) -> None:
    rules = DEFAULT_RULES | {"matching": {"unknown": "ignore"}}
    more = {"version": 2, "created_at": utc_now(), "created_by": "test"}
    session.add(Policy(clinic_id=clinic.id, rules=rules, **more))


def test_a_reading_that_is_switched_off_is_not_waited_for(runtime, clinic, telephone):
    connect(runtime, clinic, "old", LISTS)
    new = connect(runtime, clinic, "new", LISTS)
    with runtime.db.transaction() as session:
        ignore_strangers(session, clinic)
        session.add(SyncState(connection_id=new.id, every_seconds=0))
    telephone.answered("u-1")
    settle(runtime)

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Match.kind)).all() == ["ignored"]


def test_what_waited_for_a_reading_is_decided_once_that_is_switched_off(runtime, clinic, telephone):
    connect(runtime, clinic, "old", LISTS)
    new = connect(runtime, clinic, "new", LISTS)
    with runtime.db.transaction() as session:
        ignore_strangers(session, clinic)
    telephone.answered("u-1")
    settle(runtime)
    with runtime.db.transaction() as session:
        waits = session.scalars(sa.select(Match.kind)).all()
        set_schedule(session, runtime.db, new.id, 0)
    settle(runtime)

    with runtime.db.reading() as session:
        assert (waits, session.scalars(sa.select(Match.kind)).all()) == (["none"], ["ignored"])


@pytest.mark.parametrize(
    ("site", "since"),
    [("old", None), ("new", timedelta(days=9)), ("new", timedelta(seconds=1))],
)
def test_the_same_pms_goes_by_the_clients_that_it_told_of_before(
    runtime, clinic, telephone, site, since
):
    """With another token, or at another address, which an earlier day than today's says."""
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    say_whose(runtime, clinic, ANOTHER, "5")
    connect(runtime, clinic, site, since=since and midnight() - since)
    telephone.answered("u-1")
    telephone.answered("u-2", ANOTHER)
    settle(runtime)

    assert matches(runtime) == {CALLER: "5", ANOTHER: "5"}


def test_what_people_said_of_the_former_account_s_clients_is_not_of_the_new_one_s(
    runtime, clinic, telephone
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    say_whose(runtime, clinic, ANOTHER, "5")
    with runtime.db.transaction() as session:
        ignore_number(session, runtime.db, clinic.id, CALLER, "amy", "spam", utc_now())
    new = connect(runtime, clinic, "new", since=midnight())
    read_all(runtime, clinic, new, Pms(PmsClient("5", "Bob Roe", (Phone(CALLER),))))
    telephone.answered("u-1")
    telephone.answered("u-2", ANOTHER)
    settle(runtime)

    with runtime.db.reading() as session:
        found = {each.number: (each.kind, each.rule) for each in session.scalars(sa.select(Match))}
        told = list_rules(session, clinic.id, utc_now())
    listed = {each["number"]: (each["client"], each["name"], each["has_effect"]) for each in told}
    assert listed == {CALLER: ("", "", True), ANOTHER: ("5", "", False)}
    assert found == {
        CALLER: ("ignored", "ignored by amy: spam"),
        ANOTHER: (
            "none",
            "no client of this PMS account has this number; one of a former account has, or had",
        ),
    }


def test_a_person_cannot_name_a_client_of_the_former_account(runtime, clinic):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    new = connect(runtime, clinic, "new")

    with pytest.raises(InputError, match="of a former PMS account alone"):
        say_whose(runtime, clinic, ANOTHER, "5")
    read_all(runtime, clinic, new, Pms(JANE))

    say_whose(runtime, clinic, ANOTHER, "5")


def say_whose(runtime: Runtime, clinic: Clinic, number: str, client: str) -> None:
    with runtime.db.transaction() as session:
        map_number(session, runtime.db, clinic.id, number, client, "amy", "", utc_now())


@pytest.mark.parametrize("by", ["sync", "import"])
def test_a_client_who_is_just_the_same_at_the_new_account_is_one_of_its_own(
    runtime, clinic, telephone, tmp_path, by
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    new = connect(runtime, clinic, "new")
    telephone.answered("u-1")
    settle(runtime)
    waits = matches(runtime)

    if by == "sync":
        read_all(runtime, clinic, new, Pms(JANE))
    else:
        file = tmp_path / "clients.csv"
        file.write_text(f"id,name,phone\n5,Jane Doe,{CALLER}\n")
        import_clients(runtime.db, clinic, file, utc_now())
    settle(runtime)

    assert (waits, matches(runtime)) == ({CALLER: ""}, {CALLER: "5"})


def test_back_at_an_account_its_own_clients_are_known_and_the_other_s_are_not(
    runtime, clinic, telephone
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    other = replace(JANE, id="77", phones=(Phone(ANOTHER),))
    connection = connect(runtime, clinic, "new")
    with runtime.db.transaction() as session:
        session.add(SyncState(connection_id=connection.id))
    ask_for(runtime, clinic, Pms(other), ANOTHER)
    connect(runtime, clinic, "old")
    telephone.answered("u-1")
    telephone.answered("u-2", ANOTHER)
    settle(runtime)

    assert matches(runtime) == {CALLER: "5", ANOTHER: ""}


def ask_for(runtime: Runtime, clinic: Clinic, pms: Pms, number: str) -> None:
    with runtime.db.transaction() as session:
        queue_lookup(session, runtime.db, clinic.id, number)
    ask(runtime, pms)


def test_a_reading_of_the_former_account_that_is_under_way_stores_nothing_more(
    runtime, clinic, telephone
):
    old = connect(runtime, clinic, "old")
    pms = Pms(JANE, during=lambda: connect(runtime, clinic, "new"))

    with pytest.raises(InputError, match="was ended meanwhile"):
        read_all(runtime, clinic, old, pms)

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(Client)).one() == 0


def test_what_a_machine_whose_clock_is_ahead_connected_is_read_all_the_same(
    runtime, clinic, telephone
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    new = connect(runtime, clinic, "new", ahead=timedelta(minutes=5))
    read_all(runtime, clinic, new, Pms(replace(JANE, id="77")))
    telephone.answered("u-1")
    settle(runtime)

    assert matches(runtime) == {CALLER: "77"}


def test_what_was_owed_to_the_former_account_goes_to_the_client_of_the_new_one(
    runtime, clinic, telephone
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    telephone.missed("u-1")
    settle(runtime)
    owed = {each.client for each in entries(runtime)}
    new = connect(runtime, clinic, "new", since=midnight())
    pms = Pms(PmsClient("5", "Bob Roe"), replace(JANE, id="77"))
    write(runtime, pms)
    settle(runtime)
    write(runtime, pms)
    before = (dict(pms.notes), dict(pms.tasks))

    read_all(runtime, clinic, new, pms)
    settle(runtime)
    write(runtime, pms)

    assert (owed, before) == ({"5"}, ({}, {}))
    assert [note.client_id for note in pms.notes.values()] == ["77"]
    assert [task.client_id for task in pms.tasks.values()] == ["77"]


def test_what_was_owed_is_written_where_the_new_account_has_the_same_client(
    runtime, clinic, telephone
):
    read_all(runtime, clinic, connect(runtime, clinic, "old"), Pms(JANE))
    telephone.missed("u-1")
    settle(runtime)
    new, pms = connect(runtime, clinic, "new", since=midnight()), Pms(JANE)

    read_all(runtime, clinic, new, pms)
    settle(runtime)
    write(runtime, pms)

    assert [note.client_id for note in pms.notes.values()] == ["5"]
    assert [task.client_id for task in pms.tasks.values()] == ["5"]


def refuse() -> None:
    raise Temporary("no such host")


def imported(tmp_path, runtime, clinic) -> None:
    file = tmp_path / "clients.csv"
    file.write_text(f"id,name,phone\n5,Jane Doe,{CALLER}\n")
    import_clients(runtime.db, clinic, file, utc_now())


def test_a_list_goes_on_counting_where_the_account_was_mistyped(
    runtime, clinic, telephone, tmp_path
):
    imported(tmp_path, runtime, clinic)
    mistyped = connect(runtime, clinic, "mistyped", lets_in=False)
    with pytest.raises(Temporary):
        read_all(runtime, clinic, mistyped, Pms(during=refuse))
    telephone.missed("u-1")
    settle(runtime)
    connect(runtime, clinic, "meant")
    telephone.missed("u-2")
    settle(runtime)
    pms = Pms(JANE)
    write(runtime, pms)

    assert [note.client_id for note in pms.notes.values()] == ["5", "5"]


def test_a_list_is_of_the_former_account_where_that_was_written_to(
    runtime, clinic, telephone, tmp_path
):
    imported(tmp_path, runtime, clinic)
    connect(runtime, clinic, "old", lets_in=False)
    telephone.missed("u-1")
    settle(runtime)
    write(runtime, Pms(JANE))
    connect(runtime, clinic, "new")
    telephone.missed("u-2")
    settle(runtime)

    with runtime.db.reading() as session:
        found = session.scalars(sa.select(Match.client).order_by(Match.id)).all()
    assert found == ["5", ""]

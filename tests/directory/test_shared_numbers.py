"""Whom a number belongs to that several clients share, by the clinic's rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from factories import make_client, make_clinic, make_settled_call
from ringnote.connectors.base import Phone, PmsClient
from ringnote.db import Database
from ringnote.directory.clients import store_clients
from ringnote.directory.match import match_number
from ringnote.directory.matching import Matching
from ringnote.directory.ownership import Decided, Owner, Ruling, decide
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import Client, Clinic, Policy

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NUMBER, NATIONAL = "+12125550142", "2125550142"
JANE = Owner("a", "a", name="Jane Doe", seniority=2)
JOHN = Owner("b", "b", name="John Roe", seniority=1)
RULES = ("ask", "primary", "most_recently_active", "all")

names = st.sampled_from(["Jane Doe", "John Roe", "Roe, John", "Smith", ""])
clients = st.sampled_from(["a", "b", "c", "d"])
owners = st.lists(
    st.builds(
        Owner,
        client=clients,
        stands_for=st.one_of(clients, st.just("")),
        is_exact=st.booleans(),
        name=names,
        label=st.sampled_from(["", "Mobile", "Primary", "Owner's cell"]),
        seniority=st.integers(1, 3),
        last_active=st.integers(0, 2),
        changed_at=st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    ),
    max_size=6,
)
rulings = st.lists(
    st.builds(
        Ruling,
        kind=st.sampled_from(["map", "not", "ignore", "pick"]),
        by=st.just("anna"),
        client=clients,
        stands_for=st.one_of(clients, st.just("")),
    ),
    max_size=4,
)
policies = st.builds(Matching, shared=st.sampled_from(RULES), by_name=st.booleans())


def by(shared: str = "ask", **more: object) -> Matching:
    return Matching(shared=shared, **more)  # type: ignore[arg-type]


@given(rulings, owners, policies, names, st.randoms())
def test_the_order_of_clients_never_matters_whatever_the_rule(
    said: list[Ruling], having: list[Owner], matching: Matching, shown: str, shuffler: object
) -> None:
    shuffled = list(having)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(said, shuffled, matching, shown) == decide(said, having, matching, shown)


@given(rulings, owners, policies, names)
def test_the_answer_is_among_those_who_have_the_number_or_whom_a_person_named(
    said: list[Ruling], having: list[Owner], matching: Matching, shown: str
) -> None:
    decided = decide(said, having, matching, shown)

    named = {each.stands_for for each in [*having, *said]} - {""}
    assert {decided.client, *decided.candidates} - {""} <= named
    assert (decided.client in decided.candidates, bool(decided.rule)) == (False, True)


@pytest.mark.parametrize("rule", RULES)
def test_an_only_client_is_the_answer_by_every_rule(rule: str) -> None:
    assert decide([], [JANE], by(rule)) == decide([], [JANE])


def test_a_clinic_that_asks_has_a_person_choose() -> None:
    decided = decide([], [JANE, JOHN], by("ask"))

    assert (decided.kind, decided.candidates) == ("several", ("a", "b"))


def test_the_primary_client_is_the_one_whose_number_the_pms_labels_so() -> None:
    decided = decide([], [replace(JANE, label="Primary mobile"), JOHN], by("primary"))

    assert decided.client == "a"
    assert decided.rule == (
        "of 2 clients who share this number, the primary one (the PMS labels the number so)"
    )


def test_without_a_label_the_primary_client_is_the_longest_in_the_directory() -> None:
    assert decide([], [JANE, JOHN], by("primary")).client == "b"


def test_the_most_recently_active_client_is_the_one_of_the_latest_call_or_text() -> None:
    decided = decide([], [replace(JANE, last_active=7), JOHN], by("most_recently_active"))

    assert (decided.client, "by the latest call or text" in decided.rule) == ("a", True)


def test_without_a_call_the_record_that_was_changed_last_is_the_most_active() -> None:
    having = [replace(JANE, changed_at=NOW), replace(JOHN, changed_at=NOW - timedelta(days=1))]

    assert decide([], having, by("most_recently_active")).client == "a"


def test_all_of_them_are_noted_and_tasks_are_the_primary_one_s() -> None:
    decided = decide([], [JANE, JOHN], by("all"))

    assert (decided.kind, decided.client, decided.candidates) == ("client", "b", ("a",))


@pytest.mark.parametrize(
    ("shown", "client"),
    [("DOE JANE", "a"), ("[V] Roe,John", "b"), ("DOE", ""), ("WIRELESS CALLER", ""), ("", "")],
)
def test_a_name_decides_only_where_it_is_clearly_one_client_s(shown: str, client: str) -> None:
    assert decide([], [JANE, JOHN], by(by_name=True), shown).client == client
    assert decide([], [JANE, JOHN], by(), shown).client == ""


def test_a_name_that_two_clients_bear_alike_decides_nothing() -> None:
    having = [JANE, replace(JOHN, name="Janet Doe")]

    assert decide([], having, by(by_name=True), "DOE JANE").kind == "several"


def pick(client: str) -> Ruling:
    return Ruling("pick", "anna", client, client)


def test_a_pick_is_remembered_before_any_rule_of_the_clinic() -> None:
    decided = decide([pick("a")], [JANE, JOHN], by("primary"))

    assert (decided.client, decided.rule) == ("a", "remembered, as picked by anna")


def test_picks_that_differ_ask_again_whatever_the_rule_of_the_clinic() -> None:
    decided = decide([pick("a"), pick("b")], [JANE, JOHN], by("primary"))

    assert (decided.kind, decided.candidates) == ("several", ("a", "b"))
    assert "people picked now the one, now another" in decided.rule


def test_a_pick_of_a_client_who_no_longer_has_the_number_counts_no_more() -> None:
    assert decide([pick("c")], [JANE, JOHN]).kind == "several"
    assert decide([pick("c")], [JANE]).client == "a"
    assert decide([pick("c")], []).client == "c"


def decided_by(session: Session, clinic: Clinic, shown: str = "") -> Decided:
    return match_number(session, clinic.id, NUMBER, NATIONAL, NOW, shown)


def choose(db: Database, clinic: Clinic, **matching: object) -> None:
    with db.transaction() as session:
        rules = DEFAULT_RULES | {"matching": matching}
        session.add(
            Policy(clinic_id=clinic.id, version=2, rules=rules, created_at=NOW, created_by="kim")
        )


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    make_client(db, clinic, "a", "Jane Doe", numbers=[NUMBER])
    make_client(db, clinic, "b", "John Roe", numbers=[NUMBER, "+12125550143"])
    return clinic


def test_the_rule_of_the_newest_policy_decides(db: Database, clinic: Clinic) -> None:
    with db.reading() as session:
        assert decided_by(session, clinic).kind == "several"

    choose(db, clinic, shared="primary")

    with db.reading() as session:
        assert decided_by(session, clinic).client == "a"


def test_who_called_last_from_any_number_of_theirs_is_the_most_active(
    db: Database, clinic: Clinic
) -> None:
    choose(db, clinic, shared="most_recently_active")
    for number, client in ((NUMBER, "a"), ("+12125550143", "b")):
        make_settled_call(db, clinic, number, "client", client=client)

    with db.reading() as session:
        assert decided_by(session, clinic).client == "b"


def test_the_shown_name_decides_where_the_clinic_has_it_so(db: Database, clinic: Clinic) -> None:
    choose(db, clinic, by_name=True)

    with db.reading() as session:
        assert decided_by(session, clinic, "ROE JOHN").client == "b"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shared=st.sampled_from(RULES),
    by_name=st.booleans(),
    name=names,
    digits=st.integers(1000000, 9999999).filter(lambda last: last != 5550142),
)
def test_adding_an_unrelated_client_never_changes_an_answer(
    db: Database, clinic: Clinic, shared: str, by_name: bool, name: str, digits: int
) -> None:
    with db.transaction() as session:
        rules = DEFAULT_RULES | {"matching": {"shared": shared, "by_name": by_name}}
        session.add(
            Policy(clinic_id=clinic.id, version=9, rules=rules, created_at=NOW, created_by="kim")
        )
        session.flush()
        before = decided_by(session, clinic, "DOE JANE")

        unrelated = PmsClient("u", name, (Phone(f"+1212{digits}"), Phone(f"+44212{digits}")))
        store_clients(session, db, clinic.id, [unrelated], "sync", NOW, clinic.region)

        assert session.query(Client).count() == 3
        assert decided_by(session, clinic, "DOE JANE") == before
        session.rollback()

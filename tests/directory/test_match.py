"""Whom a number belongs to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_clinic
from ringnote.connectors.base import Phone, PmsClient
from ringnote.db import Database
from ringnote.directory.clients import store_clients
from ringnote.directory.match import match_number
from ringnote.directory.ownership import Decided, Owner, Ruling, decide
from ringnote.models import Clinic, NumberRule

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NUMBER, NATIONAL = "+12125550142", "2125550142"

clients = st.sampled_from(["a", "b", "c", "d"])
owners = st.lists(
    st.builds(
        Owner, client=clients, stands_for=st.one_of(clients, st.just("")), is_exact=st.booleans()
    ),
    max_size=6,
)
rulings = st.lists(
    st.builds(
        Ruling,
        kind=st.sampled_from(["map", "not", "ignore"]),
        by=st.just("anna"),
        client=clients,
        stands_for=st.one_of(clients, st.just("")),
    ),
    max_size=4,
)


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


@given(rulings, owners, st.randoms())
def test_the_order_of_clients_never_matters(
    said: list[Ruling], having: list[Owner], shuffler: object
) -> None:
    shuffled = list(having)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(said, shuffled) == decide(said, having)


@given(rulings, owners)
def test_a_client_counts_once_however_often_it_has_the_number(
    said: list[Ruling], having: list[Owner]
) -> None:
    assert decide(said, having + having) == decide(said, having)


@given(rulings, owners)
def test_a_gone_client_is_never_the_answer(said: list[Ruling], having: list[Owner]) -> None:
    decided = decide(said, having)

    assert decided.kind != "client" or decided.client
    assert "" not in decided.candidates


def test_an_ignored_number_is_ignored_whoever_has_it() -> None:
    decided = decide([Ruling("ignore", "anna")], [Owner("a", "a")])

    assert decided == Decided("ignored", rule="ignored by anna")


def test_the_newest_ruling_wins() -> None:
    said = [Ruling("map", "anna", "b", "b"), Ruling("ignore", "ben")]

    assert decide(said, [Owner("a", "a")]).client == "b"


def test_a_client_that_a_person_denied_is_left_out() -> None:
    decided = decide([Ruling("not", "anna", "a")], [Owner("a", "a"), Owner("b", "b")])

    assert decided == Decided("client", "b", rule="one client has this number")


def test_denying_the_only_client_leaves_none() -> None:
    assert decide([Ruling("not", "anna", "a")], [Owner("a", "a")]).kind == "none"


def test_an_exact_owner_is_preferred_to_a_national_one() -> None:
    decided = decide([], [Owner("a", "a", is_exact=False), Owner("b", "b")])

    assert decided.client == "b"


def store(db: Database, clinic: Clinic, *said: PmsClient) -> None:
    with db.transaction() as session:
        store_clients(session, db, clinic.id, said, "sync", NOW, clinic.region)


def has(client: str, *numbers: str, **more: object) -> PmsClient:
    return PmsClient(client, f"Name {client}", tuple(map(Phone, numbers)), **more)  # type: ignore[arg-type]


def asked(db: Database, clinic: Clinic, number: str = NUMBER, national: str = NATIONAL) -> Decided:
    with db.reading() as session:
        return match_number(session, clinic.id, number, national, NOW)


def rule(db: Database, clinic: Clinic, kind: str, client: str = "", **more: object) -> None:
    with db.transaction() as session:
        session.add(
            NumberRule(
                clinic_id=clinic.id,
                number=NUMBER,
                kind=kind,
                client=client,
                made_by="anna",
                **{"made_at": NOW, **more},
            )
        )


def test_one_client_is_the_match(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "(212) 555-0142"), has("b", "212-555-0143"))

    assert asked(db, clinic) == Decided("client", "a", rule="one client has this number")


def test_a_shared_number_is_several_in_a_fixed_order(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("c", "2125550142"), has("a", "2125550142"), has("b", "2125550142"))

    assert asked(db, clinic) == Decided(
        "several", candidates=("a", "b", "c"), rule="3 clients share this number"
    )


def test_a_stranger_matches_nobody(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550143"))

    assert asked(db, clinic) == Decided("none", rule="no client has this number")


def test_another_clinics_client_is_no_match(db: Database, clinic: Clinic) -> None:
    other = make_clinic(db, name="Other", container_id="999999")
    store(db, other, has("a", "2125550142"))

    assert asked(db, clinic).kind == "none"


def test_an_unrelated_client_never_changes_an_answer(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550142"))
    before = asked(db, clinic)

    store(db, clinic, has("b", "2125550199"), has("c", "+44 20 7946 0142"), has("d"))

    assert asked(db, clinic) == before


def test_a_withheld_number_has_no_match(db: Database, clinic: Clinic) -> None:
    assert asked(db, clinic, "", "").kind == "withheld"


def test_a_mapped_number_is_that_clients_whoever_has_it(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550142"), has("b"))
    rule(db, clinic, "map", "b")

    assert asked(db, clinic) == Decided("client", "b", rule="mapped by anna")


def test_a_number_may_be_mapped_to_a_client_the_directory_does_not_know(
    db: Database, clinic: Clinic
) -> None:
    rule(db, clinic, "map", "elsewhere")

    assert asked(db, clinic).client == "elsewhere"


@pytest.mark.parametrize(
    "over", [{"revoked_at": NOW}, {"expires_at": NOW - timedelta(seconds=1)}, {"expires_at": NOW}]
)
def test_a_ruling_that_is_over_no_longer_counts(
    db: Database, clinic: Clinic, over: dict[str, datetime]
) -> None:
    rule(db, clinic, "ignore", **over)

    assert asked(db, clinic).kind == "none"


def test_a_mapping_to_a_client_who_was_deleted_no_longer_counts(
    db: Database, clinic: Clinic
) -> None:
    store(db, clinic, has("a"), has("b", "2125550142"))
    rule(db, clinic, "map", "a")
    store(db, clinic, PmsClient("a", "", is_deleted=True))

    assert asked(db, clinic).client == "b"


def test_a_deleted_client_no_longer_has_its_number(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550142"))

    store(db, clinic, PmsClient("a", "", is_deleted=True))

    assert asked(db, clinic).kind == "none"


def test_a_merged_client_is_the_one_it_was_merged_into(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550142"), has("b"), has("c"))
    rule(db, clinic, "map", "a")

    store(db, clinic, PmsClient("a", "", is_deleted=True, merged_into="b"))
    store(db, clinic, PmsClient("b", "", is_deleted=True, merged_into="c"))

    assert asked(db, clinic) == Decided("client", "c", rule="mapped by anna")


def test_two_clients_merged_into_one_no_longer_share_their_number(
    db: Database, clinic: Clinic
) -> None:
    store(db, clinic, has("a", "2125550142"), has("b", "2125550142"))

    store(db, clinic, PmsClient("a", "", is_deleted=True, merged_into="b"))

    assert asked(db, clinic) == Decided("client", "b", rule="one client has this number")


def test_clients_merged_in_a_circle_are_nobody(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "2125550142", merged_into="b"), has("b", merged_into="a"))

    assert asked(db, clinic).kind == "none"


def test_a_number_kept_without_its_country_is_found_by_its_national_digits(
    db: Database, clinic: Clinic
) -> None:
    at_home = make_clinic(db, name="Abroad", container_id="999998", region="GB")
    store(db, at_home, has("a", "020 7946 0142"))
    with db.transaction() as session:
        moved = session.get(Clinic, at_home.id)
        assert moved is not None
        moved.region = "US"

    found = asked(db, at_home, "+12079460142", "2079460142")

    assert found == Decided("client", "a", rule="one client has this number without a country code")


def test_the_same_digits_in_another_country_are_another_phone(db: Database, clinic: Clinic) -> None:
    store(db, clinic, has("a", "+1 207 946 0142"))

    assert asked(db, clinic, "+442079460142", "2079460142").kind == "none"


def test_a_caller_from_abroad_is_not_a_client_with_the_same_digits(
    db: Database, clinic: Clinic
) -> None:
    store(db, clinic, has("a", "207 946 0142"))

    assert asked(db, clinic, "+442079460142", "2079460142").kind == "none"

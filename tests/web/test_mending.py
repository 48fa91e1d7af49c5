"""What an operator mends from the console, and what a viewer cannot."""

import re

import flask
import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection, make_entry
from fakes import MemoryConnector
from ringnote import Ringnote, person
from ringnote.clock import utc_now
from ringnote.errors import OutcomeUnknown, RecordRejected
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import Client, Connection, Decision, Entry, EntryState, NumberRule, Policy
from ringnote.web.console.back import NEEDED
from stories import CALLER, Phone, calls, entries, settle, write

STRANGER = "+12125550177"


@pytest.fixture
def clinic(runtime):
    return make_clinic(runtime.db, name="Oak Street Vets")


@pytest.fixture
def foreign(runtime):
    return make_clinic(runtime.db, name="Elm Street Vets")


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return Phone(runtime, clinic)


@pytest.fixture
def somebody(runtime, clinic):
    """A browser in which somebody of a role is signed in, of the one clinic."""

    def sign_in(role: str, prefix: str = ""):
        host = flask.Flask("host")
        Ringnote(
            host,
            runtime=runtime,
            url_prefix=prefix,
            current_user=lambda: person("kim", role, [clinic.id]),
        )
        return host.test_client()

    return sign_in


@pytest.fixture
def kim(somebody):
    return somebody("operator")


def post(browser, path, **fields):
    """Post as a form of ours does."""
    page = browser.get("/unmatched").text + browser.get("/call?uuid=u-1").text
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', page) or [""]
    return browser.post(path, data={"form_token": token, **fields})


def test_a_missed_call_that_was_answered_is_corrected_under_their_name(runtime, phone, clinic, kim):
    phone.missed("u-1")
    settle(runtime)

    answer = post(
        kim, "/call/correct", clinic=clinic.id, uuid="u-1", outcome="answered", why="on the mobile"
    )
    settle(runtime)

    assert answer.headers["Location"] == f"/call?clinic={clinic.id}&uuid=u-1&done=corrected"
    page = kim.get(answer.headers["Location"]).text
    assert "Corrected." in page
    assert "kim said it was" in " ".join(page.split())
    assert "on the mobile" in page
    [call] = calls(runtime)
    assert call.outcome == "answered"
    assert [each.state for each in entries(runtime) if not each.is_wanted] == ["withdrawn"]


def test_a_number_is_mapped_and_what_waited_is_due(runtime, phone, clinic, kim):
    phone.answered("u-1", STRANGER)
    settle(runtime)
    assert "The client: name, or id in the PMS" in kim.get("/unmatched").text

    answer = post(kim, "/unmatched/map", clinic=clinic.id, number=STRANGER, client=" C1 ")
    settle(runtime)

    assert answer.headers["Location"] == "/unmatched?done=mapped"
    [entry] = entries(runtime)
    assert (entry.client, entry.state) == ("C1", "due")
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(NumberRule.made_by)).one() == "kim"


def test_one_of_those_who_share_a_number_is_chosen_by_a_button(runtime, phone, clinic, kim):
    make_client(runtime.db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)

    page = kim.get("/unmatched").text
    assert re.search(r'name="client" value="C2">It is John Doe<', page)
    post(kim, "/unmatched/map", clinic=clinic.id, number=CALLER, client="C2")
    settle(runtime)

    assert [entry.client for entry in entries(runtime)] == ["C2"]


def test_a_number_is_ignored_with_why(runtime, phone, clinic, kim):
    phone.answered("u-1", STRANGER)
    settle(runtime)

    post(kim, "/unmatched/ignore", clinic=clinic.id, number=STRANGER, why="a supplier")
    settle(runtime)

    assert "Nothing waits" in kim.get("/unmatched").text
    assert "a supplier" in kim.get(f"/call?clinic={clinic.id}&uuid=u-1").text


def test_what_was_set_aside_is_tried_again(runtime, phone, clinic, kim):
    phone.answered("u-1")
    make_connection(runtime.db, clinic)
    settle(runtime)
    with runtime.db.transaction() as session:
        session.execute(sa.update(Entry).values(state=EntryState.SET_ASIDE, reason="refused"))
    assert "Try again now" in kim.get("/call?uuid=u-1").text
    [entry] = entries(runtime)

    answer = post(kim, "/entry/retry", clinic=clinic.id, entry=entry.id, kind="call", key="u-1")

    assert answer.headers["Location"] == f"/call?clinic={clinic.id}&uuid=u-1&done=retried"
    assert [each.state for each in entries(runtime)] == ["due"]
    again = post(kim, "/entry/retry", clinic=clinic.id, entry=entry.id, kind="call", key="u-1")
    assert again.status_code == 400
    assert "neither retrying nor set aside" in again.text
    shown = kim.get("/call?uuid=u-1").text
    assert shown.count(f"had entry {entry.id} <strong>tried again</strong>") == 1


def test_a_client_who_is_named_in_words_is_chosen_among_those_called_so(
    runtime, phone, clinic, kim
):
    make_client(runtime.db, clinic, "C2", "Zoë Janeway", numbers=["+12125550143"])
    make_client(runtime.db, clinic, "C3", "Ann Lee", numbers=["+12125550144"])
    phone.answered("u-1", STRANGER)
    settle(runtime)
    of = {"clinic": clinic.id, "number": STRANGER, "why": "she said so"}

    asked = post(kim, "/unmatched/map", **of, other="jane").text
    waits = entries(runtime)[0].state
    answer = post(kim, "/unmatched/map", **of, client="C2")
    settle(runtime)

    assert re.findall(r'aria-label="It is ([^"]*)"', asked) == ["Jane Doe, C1", "Zoë Janeway, C2"]
    for kept in ("number", "why"):
        assert f'name="{kept}" value="{of[kept]}"' in asked
    assert 'action="/unmatched/map"' in asked
    assert waits == "waiting"
    assert answer.status_code == 302
    assert [each.client for each in entries(runtime)] == ["C2"]


@pytest.mark.parametrize(
    ("namesakes", "shown", "has_more"), [(1, 1, False), (20, 20, False), (21, 20, True)]
)
def test_of_many_who_are_called_so_it_says_that_there_are_more(
    runtime, phone, clinic, kim, namesakes, shown, has_more
):
    for count in range(namesakes):
        make_client(runtime.db, clinic, f"S{count}", f"Sam Smith{count:02}")
    phone.answered("u-1", STRANGER)
    settle(runtime)
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', kim.get("/unmatched").text)
    of = {"form_token": token, "clinic": clinic.id, "number": STRANGER, "other": "sam"}

    came_from = {"Referer": "http://localhost/unmatched"}
    asked = kim.post("/unmatched/map", data=of, headers=came_from).text

    assert asked.count(">It is this one</button>") == shown
    back = '<a href="http://localhost/unmatched">go back</a> and type first and last name'
    assert (f"There are more than these 20: {back}" in asked) is has_more
    assert ("There are more" in asked) is has_more


def test_a_client_whose_animal_is_called_so_is_not_said_to_be(runtime, phone, clinic, kim):
    with runtime.db.transaction() as session:
        session.execute(sa.update(Client).values(patients=["Biscuit"]))
    phone.answered("u-1", STRANGER)
    settle(runtime)

    asked = post(kim, "/unmatched/map", clinic=clinic.id, number=STRANGER, other="biscuit").text

    assert re.findall(r'aria-label="It is ([^"]*)"', asked) == ["Jane Doe, C1"]
    assert "This client, or an animal of theirs, is called so." in asked


def test_of_what_a_digest_tells_the_page_says_that_it_never_was_in_the_pms_alone(
    runtime, phone, clinic, kim
):
    with runtime.db.transaction() as session:
        rules = DEFAULT_RULES | {"matching": {"backlog": "digest"}}
        made = {"created_at": utc_now(), "created_by": "kim"}
        session.add(Policy(clinic_id=clinic.id, version=2, rules=rules, **made))
    phone.answered("u-1", STRANGER)
    phone.answered("u-2", STRANGER)
    settle(runtime)

    waiting = kim.get("/call?uuid=u-1").text
    post(kim, "/unmatched/map", clinic=clinic.id, number=STRANGER, client="C1")
    settle(runtime)
    told = kim.get("/call?uuid=u-1").text

    assert "never was in the PMS" not in waiting
    assert (
        told.count("It never was in the PMS: the note “Earlier calls and texts” tells of it.") == 1
    )


def test_of_what_perhaps_stands_at_a_former_account_the_page_does_not_say_otherwise(
    runtime, phone, clinic, kim
):
    pms = MemoryConnector()
    pms.failures = [OutcomeUnknown("no answer came")]
    make_connection(runtime.db, clinic)
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)
    with runtime.db.transaction() as session:
        session.execute(sa.update(Connection).values(ended_at=utc_now()))
    make_connection(runtime.db, clinic)

    post(kim, "/call/correct", clinic=clinic.id, uuid="u-1", outcome="internal")
    settle(runtime)
    told = kim.get("/call?uuid=u-1").text

    [entry] = entries(runtime)
    assert (entry.state, entry.written_version) == ("withdrawn", None)
    assert f"perhaps it was written to the former account: look there for {entry.reference}" in told
    assert "never was in the PMS" not in told


def test_what_is_refused_leads_back_to_where_it_was_typed(runtime, phone, clinic, kim):
    phone.answered("u-1", STRANGER)
    settle(runtime)
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', kim.get("/unmatched").text)
    of = {"form_token": token, "clinic": clinic.id, "number": STRANGER, "other": "C9"}

    def refused(came_from):
        return kim.post("/unmatched/map", data=of, headers={"Referer": came_from})

    here, elsewhere = refused("http://localhost/call?uuid=u-1"), refused("http://evil.test/")

    assert '<a href="http://localhost/call?uuid=u-1">Back, to mend it</a>' in here.text
    assert elsewhere.status_code == 400
    assert "evil" not in elsewhere.text


@pytest.mark.parametrize("prefix", ["", "/clinic/notes"])
def test_back_is_offered_only_to_a_page_that_is_there_again(
    runtime, phone, clinic, somebody, prefix
):
    phone.answered("u-1", STRANGER)
    settle(runtime)
    kim = somebody("admin", prefix)
    [token, *_] = re.findall(
        r'name="form_token" value="(\w+)"', kim.get(f"{prefix}/unmatched").text
    )
    of = {"form_token": token, "clinic": clinic.id, "number": STRANGER, "other": "C9"}

    def is_offered(came_from):
        headers = {"Referer": f"http://localhost{came_from}"}
        answer = kim.post(f"{prefix}/unmatched/map", data=of, headers=headers)
        assert answer.status_code == 400
        return "Back, to mend it" in answer.text

    there = ["/", "/?show=waiting", "/unmatched", "/callbacks", "/call?clinic=1&uuid=u-1"]
    there += ["/connection/connect?clinic=1", "/policy?clinic=1"]
    gone = ["/unmatched/map", "/unmatched/pick", "/connection/test", "/no/page", "/sign-in"]
    gone += ["/connection/connect", "/connection?clinic=", "/policy", "/call?clinic=1"]

    assert [each for each in there if not is_offered(prefix + each)] == []
    assert [each for each in gone if is_offered(prefix + each)] == []
    assert not prefix or not is_offered("/unmatched")


def test_every_page_that_is_not_there_without_a_query_is_known_to_need_one(
    runtime, phone, somebody
):
    kim = somebody("admin")
    named = (rule for rule in kim.application.url_map.iter_rules() if not rule.arguments)
    pages = {
        each.endpoint.rpartition(".")[2]: each.rule
        for each in named
        if each.endpoint.startswith("ringnote.console.") and "GET" in (each.methods or ())
    }

    missing = {page for page, path in pages.items() if kim.get(path).status_code != 200}

    assert {"call", "choose_pms"} <= missing
    assert missing <= NEEDED.keys() <= pages.keys()


def test_what_the_pms_refuses_says_why_and_may_be_left_and_taken_up_again(
    runtime, phone, clinic, kim
):
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS answered 409", status=409)]
    phone.answered("u-1")
    make_connection(runtime.db, clinic)
    settle(runtime)
    write(runtime, pms)
    [entry] = entries(runtime)
    of = {"clinic": clinic.id, "entry": entry.id, "kind": "call", "key": "u-1"}

    refused = kim.get("/call?uuid=u-1").text
    answer = post(kim, "/entry/leave", **of, why="a test call")
    left = kim.get(answer.headers["Location"]).text
    states = [each.state for each in entries(runtime)]
    post(kim, "/entry/retry", **of)

    assert "It clashes with what stands in the PMS" in refused
    assert ">Leave it</button>" in refused
    assert "Left. It is not tried again" in left
    assert re.search(r"kim\s+<strong>left</strong> what the PMS refuses", left)
    assert "a test call" in left
    assert ">Leave it</button>" not in left
    assert "Try again now" in left
    assert states == ["withdrawn"]
    assert [each.state for each in entries(runtime)] == ["due"]


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("/entry/leave", {"entry": "9" * 18}, 404, ""),
        ("/call/correct", {"uuid": "u-1", "outcome": "lost"}, 400, "answered, missed or internal"),
        ("/call/correct", {"uuid": "u-1"}, 400, "answered, missed or internal"),
        ("/unmatched/map", {"number": STRANGER, "client": ""}, 400, "which client"),
        ("/unmatched/map", {"number": STRANGER, "client": "C9"}, 400, "by which the PMS knows"),
        ("/unmatched/map", {"number": "what", "client": "C1"}, 400, "no phone number"),
        ("/unmatched/ignore", {"number": "anonymous"}, 400, "withheld number"),
        ("/call/correct", {"uuid": "u-1\0", "outcome": "missed"}, 400, "did not come from a page"),
        ("/entry/retry", {"entry": "9" * 18}, 404, ""),
        ("/entry/retry", {"entry": "x"}, 404, ""),
        ("/entry/retry", {"entry": "9" * 400}, 404, ""),
    ],
)
def test_what_cannot_be_is_told_in_words_and_changes_nothing(
    runtime, phone, clinic, kim, path, fields, status, said
):
    phone.answered("u-1", STRANGER)
    settle(runtime)

    answer = post(kim, path, clinic=clinic.id, **fields)

    assert answer.status_code == status
    assert said in answer.text
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Decision)).all() == []


@pytest.mark.parametrize(
    "path", ["/call/correct", "/unmatched/map", "/unmatched/ignore", "/entry/retry"]
)
def test_of_a_foreign_clinic_nothing_can_be_mended(runtime, phone, foreign, kim, path):
    other = Phone(runtime, foreign)
    other.missed("u-7", STRANGER)
    phone.answered("u-1")
    settle(runtime)
    connection = make_connection(runtime.db, foreign)
    entry = make_entry(runtime.db, foreign, connection)
    fields = {"uuid": "u-7", "outcome": "answered", "number": STRANGER, "client": "C1"}

    for clinic_id in (foreign.id, "", "x", "9" * 30):
        answer = post(kim, path, clinic=clinic_id, entry=entry, **fields)
        assert answer.status_code == 404
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Decision)).all() == []


def test_an_entry_of_a_foreign_clinic_is_not_tried_by_naming_one_s_own(
    runtime, phone, clinic, foreign, kim
):
    phone.answered("u-1")
    settle(runtime)
    entry = make_entry(runtime.db, foreign, make_connection(runtime.db, foreign))

    answer = post(kim, "/entry/retry", clinic=clinic.id, entry=entry)

    assert answer.status_code == 404


def test_a_viewer_sees_no_form_and_can_post_none(runtime, phone, clinic, somebody):
    viewer = somebody("viewer")
    phone.answered("u-1", STRANGER)
    settle(runtime)

    pages = viewer.get("/unmatched").text + viewer.get("/call?uuid=u-1").text
    answer = viewer.post("/unmatched/ignore", data={"clinic": clinic.id, "number": STRANGER})

    assert "<form" not in pages
    assert "ringnote numbers ignore" in pages
    assert answer.status_code == 403
    assert "operator" in answer.text
    # The host says what they may.
    assert "ringnote user set" not in answer.text


def test_without_the_form_s_token_nothing_is_mended(runtime, phone, clinic, kim):
    phone.answered("u-1", STRANGER)
    settle(runtime)

    answer = kim.post("/unmatched/ignore", data={"clinic": clinic.id, "number": STRANGER})

    assert answer.status_code == 400
    assert "Nothing waits" not in kim.get("/unmatched").text


def test_one_who_shares_a_number_is_picked_this_time_and_it_can_be_taken_back(
    runtime, phone, clinic, kim
):
    make_client(runtime.db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)

    page = kim.get("/unmatched").text
    assert page.index("It is Jane Doe") < page.index("It is John Doe")
    assert "has this number and has the name that was shown" in page
    post(kim, "/unmatched/pick", clinic=clinic.id, number=CALLER, client="C2")
    settle(runtime)

    assert [entry.client for entry in entries(runtime)] == ["C2"]
    assert "was, the last time, John Doe" in " ".join(kim.get("/unmatched").text.split())
    post(kim, "/unmatched/forget", clinic=clinic.id, number=CALLER, client="C2", kind="pick")
    settle(runtime)
    assert {(each.client, each.state.value) for each in entries(runtime) if each.is_wanted} == {
        ("", "waiting")
    }


def test_a_call_on_the_wrong_record_is_moved_from_its_page(runtime, phone, clinic, kim):
    make_client(runtime.db, clinic, "C2", "John Doe")
    phone.answered("u-1")
    settle(runtime)
    assert "Not this client?" in kim.get("/call?uuid=u-1").text

    moved = {"clinic": clinic.id, "number": CALLER, "client": "C2", "uuid": "u-1"}
    answer = post(kim, "/unmatched/map", move="1", **moved)
    settle(runtime)

    assert answer.headers["Location"] == f"/call?clinic={clinic.id}&uuid=u-1&done=moved"
    assert {(each.client, each.is_wanted) for each in entries(runtime)} == {
        ("C1", False),
        ("C2", True),
    }
    page = " ".join(kim.get(answer.headers["Location"]).text.split())
    assert "kim moved it from C1: <strong>C2</strong>" in page


def test_a_client_who_is_denied_is_not_suggested_again(runtime, phone, clinic, kim):
    make_client(runtime.db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)

    post(kim, "/unmatched/not", clinic=clinic.id, number=CALLER, client="C1")
    settle(runtime)

    assert [entry.client for entry in entries(runtime)] == ["C2"]

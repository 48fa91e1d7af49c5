"""What the API tells of each resource, and how listings are narrowed."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_connection
from fakes import MemoryConnector
from programs import STRANGER, ids
from ringnote.errors import RecordRejected
from ringnote.models import Client
from stories import CALLER, LINE, calls, moments, settle, write


def test_a_clinic_is_told(program, clinic):
    [listed] = program.get("/clinics")["items"]

    assert listed == program.get(f"/clinics/{clinic.id}")
    assert listed["name"] == "Oak Street Vets"
    assert listed["container_id"] == clinic.container_id
    assert listed["created_at"] == clinic.created_at.isoformat().replace("+00:00", "Z")


def test_a_call_is_told_with_whose_it_is_and_its_entries(program, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)

    [call] = program.get("/calls")["items"]

    assert (call["call_uuid"], call["direction"], call["outcome"]) == ("u-1", "inbound", "answered")
    assert (call["number"], call["caller_name"], call["line"]) == (CALLER, "DOE JANE", "Main")
    assert (call["match"]["kind"], call["match"]["client"], call["match"]["name"]) == (
        *("client", "C1"),
        "Jane Doe",
    )
    assert call["disposition"] == "due"
    [note] = call["entries"]
    assert (note["kind"], note["state"], note["client"]) == ("note", "due", "C1")
    assert all(moment is None or moment.endswith("Z") for moment in moments(call))


def test_one_call_is_told_with_what_its_outcome_rests_on(program, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)
    [call] = program.get("/calls")["items"]

    whole = program.get(f"/calls/{call['id']}")

    assert {name: whole[name] for name in call} == call
    assert whole["evidence"] == ["an extension answered"]
    assert (whole["waited_seconds"], whole["talked_seconds"]) == (6, 3)
    assert [event["type"] for event in whole["events"]] == [
        *("InboundCall", "ringAttempt", "ExtensionAnswered", "HangupCall")
    ]
    assert whole["events"][1]["changed"] == ["101 rang"]


def test_a_reused_call_uuid_is_told_as_two_calls(program, runtime, phone):
    phone.at -= timedelta(hours=26)
    phone.answered("u-1")
    settle(runtime)
    phone.at += timedelta(hours=25)
    phone.missed("u-1")
    settle(runtime)

    second, first = ids(program, "/calls")

    assert program.get(f"/calls/{first}")["ordinal"] == 1
    assert program.get(f"/calls/{second}")["ordinal"] == 2
    assert program.get(f"/calls/{second}")["outcome"] == "missed"


def test_a_call_under_way_is_told_as_open(program, runtime, phone):
    phone.rings("u-1")
    settle(runtime)

    [call] = program.get("/calls")["items"]

    assert (call["disposition"], call["outcome"], call["match"]) == ("open", "unknown", None)
    assert program.get(f"/calls/{call['id']}")["ended_at"] is None


def test_a_conversation_is_told_day_by_day_with_its_texts(program, runtime, phone, jane):
    phone.text("Is Rex ready?")
    phone.text("Yes, come by.", inbound=False)
    settle(runtime)

    [listed] = program.get("/conversations")["items"]
    whole = program.get(f"/conversations/{listed['id']}")

    assert (listed["key"], listed["numbers"], listed["days"]) == ("c-1", [CALLER], 1)
    assert "windows" not in listed
    [window] = whole["windows"]
    assert window["day"] == listed["first_day"]
    assert (window["number"], window["line"]) == (CALLER, LINE)
    assert [(each["direction"], each["text"]) for each in window["messages"]] == [
        ("inbound", "Is Rex ready?"),
        ("outbound", "Yes, come by."),
    ]
    assert [each["kind"] for each in window["entries"]] == ["transcript"]


def test_an_entry_leads_back_to_what_it_comes_of(program, runtime, phone, jane):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)

    told = program.get("/entries")["items"]

    assert {each["kind"] for each in told} == {"note", "task", "transcript"}
    places = {"call": "calls", "transcript": "conversations"}
    for entry in told:
        [origin] = entry["origins"]
        program.get(f"/{places[origin['kind']]}/{origin['id']}")
        assert origin["key"] == {"call": "u-1", "transcript": "c-1"}[origin["kind"]]


def test_one_entry_is_told_with_its_text_and_its_tries(program, runtime, db, clinic, phone, jane):
    make_connection(db, clinic)
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS refused the title", status=422)]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)
    [entry] = program.get("/entries?state=set_aside")["items"]

    whole = program.get(f"/entries/{entry['id']}")

    assert {name: whole[name] for name in entry} == entry
    assert "From (212) 555-0142" in whole["body"]
    assert (whole["reason"], whole["pms_id"]) == ("the PMS refused the title", None)
    assert [(each["outcome"], each["http_status"]) for each in whole["tries"]] == [
        ("set_aside", 422)
    ]


def test_a_client_is_told_with_its_numbers(program, jane):
    [listed] = program.get("/clients")["items"]

    assert listed == program.get(f"/clients/{jane.id}")
    assert (listed["client"], listed["name"]) == ("C1", "Jane Doe")
    assert listed["numbers"] == [{"number": CALLER, "label": ""}]


@pytest.mark.parametrize("number", ["212-555-0142", "%2B12125550142", "(212)%20555%200142"])
def test_a_number_is_looked_up_in_any_format(program, clinic, jane, number):
    found = program.get(f"/lookup?clinic={clinic.id}&number={number}")

    assert (found["number"], found["kind"], found["client"]) == (CALLER, "client", "C1")
    assert found["rule"] == "one client has this number"
    assert [each["name"] for each in found["clients"]] == ["Jane Doe"]


def test_a_shared_number_names_those_to_choose_among(program, db, clinic, jane):
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])

    found = program.get(f"/lookup?clinic={clinic.id}&number=2125550142")

    assert (found["kind"], found["client"]) == ("several", None)
    assert [each["client"] for each in found["clients"]] == ["C1", "C2"]


@pytest.mark.parametrize(
    ("number", "kind", "read"),
    [
        ("2125550177", "none", STRANGER),
        ("anonymous", "withheld", None),
        ("no number at all", "none", None),
        ("%F0%9F%90%95", "none", None),
        ("%FF", "none", None),
        ("101", "none", None),
    ],
)
def test_what_is_nobody_s_number_is_said_to_be(program, clinic, jane, number, kind, read):
    found = program.get(f"/lookup?clinic={clinic.id}&number={number}")

    assert (found["kind"], found["number"], found["clients"]) == (kind, read, [])
    assert found["rule"]


def test_calls_are_narrowed_by_time_outcome_and_number(program, runtime, phone, jane):
    phone.at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    phone.answered("u-1")
    phone.at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    phone.missed("u-2", STRANGER)
    settle(runtime)
    answered = {call.call_uuid: call.id for call in calls(runtime)}["u-1"]
    missed = {call.call_uuid: call.id for call in calls(runtime)}["u-2"]

    assert ids(program, "/calls?since=2026-11-21T00:00:00Z") == [missed]
    assert ids(program, "/calls?until=2026-11-21T00:00:00Z") == [answered]
    assert ids(program, "/calls?until=2026-11-21T04:00:00-06:00") == sorted(
        [answered, missed], reverse=True
    )
    assert ids(program, "/calls?outcome=missed") == [missed]
    assert ids(program, "/calls?number=%2B12125550142") == [answered]


def test_entries_are_narrowed_by_state_and_kind(program, runtime, phone, jane):
    phone.answered("u-1")
    phone.missed("u-2", STRANGER)
    settle(runtime)

    def kinds(query):
        return sorted(each["kind"] for each in program.get(f"/entries?{query}")["items"])

    assert kinds("state=due") == ["note"]
    assert kinds("state=waiting") == ["note", "task"]
    assert kinds("state=waiting&kind=task") == ["task"]


def test_clients_are_narrowed_by_their_id_and_by_when_they_changed(program, db, clinic, jane):
    other = make_client(db, clinic, "C2", "John Doe")
    with db.transaction() as session:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        session.execute(sa.update(Client).where(Client.id == jane.id).values(updated_at=long_ago))

    assert ids(program, "/clients?client=C1") == [jane.id]
    assert ids(program, "/clients?updated_since=2020-01-02T00:00:00Z") == [other.id]

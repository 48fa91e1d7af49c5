"""What a clinic calls its queues, extensions and lines, wherever they are told of."""

from zoneinfo import ZoneInfo

import pytest

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.ledger.callback_desk import list_for_desk
from ringnote.ledger.caller import tell_last_calls
from ringnote.ledger.close_out import close_day
from ringnote.ledger.listings import list_calls
from ringnote.ledger.policies import set_policy
from ringnote.ledger.rules import Rules
from ringnote.models import Clinic, EntryKind
from stories import CALLER, LINE, Phone, callbacks, entries, settle

NAMES = {
    "queues": {"700": "Reception"},
    "ring_groups": {"600": "Nurses"},
    "extensions": {"101": "Dr Ames"},
    "lines": {LINE: "Oak Street"},
}


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, db, clinic):
    with db.transaction() as session:
        known = session.get_one(Clinic, clinic.id)
        rules = Rules.model_validate({"names": NAMES})
        set_policy(session, db, known, rules, utc_now(), "kim")
    return Phone(runtime, clinic)


def waits_in_queue(phone, call, caller=CALLER):
    phone.rings(call, caller)
    phone.event("queueEntered", call, eventTarget="queue", queueNumber="700", callerIdNum=caller)
    phone.event("ringAttempt", call, eventTarget="ringGroup", rgNumber="600", callerIdNum=caller)
    phone.event("HangupCall", call, extNumber="", extName="", callerIdNum=caller)


def content(runtime, kind):
    [found] = [each.content for each in entries(runtime) if each.kind == kind]
    return found


def test_a_missed_call_tells_where_it_waited_by_name(runtime, db, clinic, phone):
    waits_in_queue(phone, "u-1")
    settle(runtime)

    note, task = content(runtime, EntryKind.NOTE), content(runtime, EntryKind.TASK)
    with db.reading() as session:
        [told] = list_for_desk(session, None, None, 9, db.present(session))

    assert (note["title"], task["title"]) == ("Missed call", "Call back: missed call")
    assert "in queue Reception, in ring group Nurses, rang Dr Ames (101)" in note["body"]
    assert "Line: Oak Street, (212) 555-0100" in note["body"]
    assert "in queue Reception and in ring group Nurses." in task["body"]
    assert "in queue Reception and in ring group Nurses." in told["desk"]["tally"]


def test_a_withheld_caller_stands_so_in_the_days_report(runtime, db, clinic, phone):
    waits_in_queue(phone, "u-1", "anonymous")
    settle(runtime)

    with db.reading() as session:
        [call] = list_calls(session)
        known = session.get_one(Clinic, clinic.id)
        day = call["at"].astimezone(ZoneInfo(known.timezone)).date()
        [withheld] = close_day(session, known, day)["withheld"]

    assert withheld["how_far"] == "in queue Reception, in ring group Nurses, rang Dr Ames (101)"
    assert (withheld["line"], call["line"]) == ("Oak Street", "Oak Street")


def test_who_answered_and_who_tried_is_called_as_the_clinic_has_it(runtime, db, clinic, phone):
    phone.missed("u-1")
    phone.dials("u-2")
    settle(runtime)
    tried = content(runtime, EntryKind.TASK)["body"]
    phone.answered("u-3")

    settle(runtime)

    with db.reading() as session:
        titles = {each["call_uuid"]: each["title"] for each in list_calls(session)}
        last = tell_last_calls(session, clinic.id, CALLER, "C1")
    assert "called by Dr Ames; whether it was answered is not reported" in tried
    assert titles["u-3"] == "Incoming call answered by Dr Ames (101)" == last[0]["title"]
    assert titles["u-3"] in {each.content["title"] for each in entries(runtime)}
    [row] = callbacks(runtime)
    assert row.closed_by == "a call with them was answered by Dr Ames"

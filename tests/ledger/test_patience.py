"""Texts that nobody answers: whether they ask to be called back, told as stories."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.directory.choices import map_number
from ringnote.ledger.callback_desk import list_for_desk
from ringnote.ledger.closings import close_callback
from ringnote.ledger.past import read_past
from ringnote.ledger.rehearsal import rehearse
from ringnote.ledger.replay import Span
from ringnote.ledger.rules import Rules
from ringnote.models import Callback, CallbackState, DueMark, Policy
from stories import CALLER, Phone, callbacks, entries, marks, replay, settle

OPEN, DONE, WITHDRAWN = CallbackState.OPEN, CallbackState.DONE, CallbackState.WITHDRAWN


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


def ask(db, minutes, hours="always"):
    """Have a client's text ask once nobody answered it for so long."""
    said = {"texts": True, "text_minutes": minutes, "hours": hours}
    rules = Rules.model_validate({"callbacks": said})
    with db.transaction() as session:
        session.execute(sa.update(Policy).values(rules=rules.model_dump(mode="json")))


def states(runtime):
    return [each.state for each in sorted(callbacks(runtime), key=lambda each: each.opened_at)]


def task(runtime):
    [found] = [each for each in entries(runtime) if each.kind == "task"]
    return found


def test_by_default_a_text_alone_opens_none(runtime, phone):
    phone.text("Is Rex ready?")

    settle(runtime)

    assert (states(runtime), marks(runtime)) == ([], [])


def test_a_text_that_nobody_answered_opens_one_that_quotes_it(runtime, db, phone):
    ask(db, 30)
    phone.text("Is Rex ready?")
    phone.text("Hello?")

    settle(runtime)

    assert states(runtime) == [OPEN]
    content = task(runtime).content
    assert (task(runtime).client, content["title"]) == ("C1", "Call back: text")
    assert "2 texts from them, the last " in content["body"]
    assert "they texted: Is Rex ready?" in content["body"]
    assert "they texted: Hello?" in content["body"]
    assert content["story"]["path"] == "conversation?id=c-1"
    with db.reading() as session:
        [told] = list_for_desk(session, None, None, 9, db.present(session))
    assert [each["text"] for each in told["desk"]["wrote"]] == ["Is Rex ready?", "Hello?"]
    assert (told["desk"]["tally"], told["desk"]["conversation"]) == ("", "c-1")


def test_it_is_looked_at_again_when_the_time_is_up(runtime, db, phone):
    ask(db, 90)
    sent_at = phone.text("Is Rex ready?") and phone.at

    settle(runtime)

    assert (states(runtime), [each.due_at for each in marks(runtime)]) == (
        [],
        [sent_at + timedelta(minutes=90)],
    )


@pytest.mark.parametrize(
    ("hours", "opens_by"),
    [("open", "Is Rex ready?"), ("closed", "Are you there?")],
)
def test_only_a_text_of_the_hours_that_callbacks_are_for_opens_one(
    runtime, db, clinic, phone, hours, opens_by
):
    phone.at = datetime(2026, 3, 2, 10, 0, tzinfo=ZoneInfo(clinic.timezone))
    phone.text("Is Rex ready?")
    asked_at = {"open": phone.at}
    phone.at = phone.at.replace(hour=23)
    phone.text("Are you there?")
    asked_at["closed"] = phone.at
    settle(runtime)
    with db.reading() as session:
        past = read_past(session, clinic, phone.at - timedelta(days=1))
    ask(db, 30, hours)

    replay(runtime, Span(), by_newest=True)
    settle(runtime)

    [row] = callbacks(runtime)
    assert row.opened_at == asked_at[hours]
    assert f"texted: {opens_by}" in task(runtime).content["body"]
    rules = Rules.model_validate({"callbacks": {"texts": True, "hours": hours}})
    [told] = rehearse(past, Rules(), rules)["callers_with_new_task"]
    assert told["at"] == row.opened_at


@pytest.mark.parametrize("hours", ["open", "closed"])
def test_texts_of_other_hours_alone_open_none(runtime, db, clinic, phone, hours):
    ask(db, 0, hours)
    phone.at = datetime(2026, 3, 2, 23, 0, tzinfo=ZoneInfo(clinic.timezone))
    phone.at -= timedelta(hours=13 * (hours == "closed"))
    phone.text("Is Rex ready?")

    settle(runtime)

    assert (states(runtime), marks(runtime)) == ([], [])


@pytest.mark.parametrize("answer", ["text", "dials", "answered"])
def test_a_text_that_was_answered_in_time_opens_none(runtime, db, phone, answer):
    ask(db, 30)
    phone.text("Is Rex ready?")
    {
        "text": lambda: phone.text("Yes", inbound=False),
        "dials": lambda: phone.dials("u-1"),
        "answered": lambda: phone.answered("u-1"),
    }[answer]()

    settle(runtime)

    # Settled before the answer was known, it was withdrawn again.
    assert set(states(runtime)) <= {WITHDRAWN}


def test_an_answer_that_becomes_known_late_withdraws_it(runtime, db, phone):
    ask(db, 30)
    phone.text("Is Rex ready?")
    phone.dials("u-1")
    with db.transaction() as session:
        late = sa.update(DueMark).where(DueMark.subject_key == "u-1")
        session.execute(late.values(due_at=db.later(3600)))
    settle(runtime)
    opened = states(runtime)
    with db.transaction() as session:
        session.execute(sa.update(DueMark).values(due_at=db.now()))

    settle(runtime)

    assert (opened, states(runtime)) == ([OPEN], [WITHDRAWN])
    assert not task(runtime).is_wanted


def test_at_once_every_text_asks_and_a_call_that_is_answered_ends_it(runtime, db, phone):
    ask(db, 0)
    phone.text("Is Rex ready?")
    settle(runtime)
    opened = states(runtime)
    phone.answered("u-1")

    settle(runtime)

    assert (opened, states(runtime)) == ([OPEN], [DONE])


def test_a_missed_call_joins_it_and_a_text_joins_a_missed_call(runtime, db, phone):
    ask(db, 0)
    phone.text("Is Rex ready?")
    phone.missed("u-1")
    phone.text("I called, too")

    settle(runtime)

    assert states(runtime) == [OPEN]
    content = task(runtime).content
    assert content["title"] == "Call back: missed call"
    assert "1 missed call and 2 texts from them, the last " in content["body"]


def test_a_text_after_it_was_closed_opens_another(runtime, db, phone):
    ask(db, 0)
    phone.text("Is Rex ready?")
    settle(runtime)
    with db.transaction() as session:
        row = session.scalars(sa.select(Callback)).one()
        close_callback(session, db, row, "Kim", "told them", phone.at + timedelta(seconds=1))
    phone.text("And Bella?")

    settle(runtime)

    assert states(runtime) == [DONE, OPEN]


def test_a_strangers_text_asks_once_it_is_known_whose_it_is(runtime, db, clinic, phone):
    ask(db, 0)
    phone.text("Is Rex ready?", client="+12125550177")
    settle(runtime)
    before = states(runtime)
    with db.transaction() as session:
        map_number(session, db, clinic.id, "+12125550177", "C1", "Kim", "", db.present(session))

    settle(runtime)

    assert (before, states(runtime)) == ([], [OPEN])


def test_a_rehearsal_tells_how_many_there_would_be(runtime, db, clinic, phone):
    phone.text("Is Rex ready?")
    phone.text("Yes", inbound=False)
    phone.at += timedelta(minutes=1)
    phone.text("And Bella?")
    settle(runtime)
    changed = Rules.model_validate({"callbacks": {"texts": True}})

    with db.reading() as session:
        past = read_past(session, clinic, phone.at - timedelta(days=1))
    told = rehearse(past, Rules(), changed)

    assert told["tasks"] == {"before": 0, "after": 1}
    assert [each["number"] for each in told["callers_with_new_task"]] == [CALLER]

"""How texts are cut into transcripts by a clinic's policy, told as stories."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.ledger.policies import set_policy
from ringnote.ledger.replay import Span
from ringnote.ledger.rules import Rules
from ringnote.models import Clinic, SubjectKind, Transcript
from ringnote.telephony.marks import mark_due
from stories import CALLER, Phone, entries, replay, settle


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db, timezone="America/New_York")
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    phone = Phone(runtime, clinic)
    # With room for a text of the next day that is none of the future.
    phone.at = phone.at.replace(hour=17, minute=0) - timedelta(days=3)
    return phone


def say(runtime, clinic, **transcripts):
    """Make this part of the policy in force."""
    rules = Rules.model_validate({"transcripts": transcripts})
    with runtime.db.transaction() as session:
        known = session.get_one(Clinic, clinic.id)
        set_policy(session, runtime.db, known, rules, utc_now(), "test")


def texts(runtime):
    """The texts of each transcript, without their times."""
    told = []
    for entry in entries(runtime):
        lines = entry.content["body"].splitlines()
        told.append([line.partition(": ")[2] for line in lines if "Client: " in line])
    return told


def test_a_quiet_gap_ends_a_transcript(runtime, clinic, phone):
    say(runtime, clinic, window="gap", gap_minutes=30)
    phone.text("Is Rex ready?")
    settle(runtime)
    phone.text("Or later?")
    settle(runtime)
    phone.at += timedelta(minutes=31)
    phone.text("Hello?")

    settle(runtime)
    settle(runtime)

    assert texts(runtime) == [["Is Rex ready?", "Or later?"], ["Hello?"]]


def test_each_message_can_be_a_transcript_of_its_own(runtime, clinic, phone):
    say(runtime, clinic, window="message")
    phone.text("Is Rex ready?")
    phone.text("Or later?")

    settle(runtime)

    assert texts(runtime) == [["Is Rex ready?"], ["Or later?"]]


def test_texts_of_one_moment_are_of_one_transcript_however_they_are_stored(runtime, clinic, phone):
    say(runtime, clinic, window="message")
    for text in ("Is Rex ready?", "Or later?", "Hello?"):
        phone.at -= timedelta(seconds=3)
        phone.text(text)
        if text == "Or later?":
            settle(runtime)

    settle(runtime)

    [told] = texts(runtime)
    assert sorted(told) == ["Hello?", "Is Rex ready?", "Or later?"]


def test_a_text_stays_where_it_was_told_though_the_same_of_before_comes_late(
    runtime, clinic, phone
):
    say(runtime, clinic, window="gap")
    phone.text("Hello?")
    phone.text("Anyone?")
    settle(runtime)
    before = texts(runtime)
    phone.at -= timedelta(seconds=11)
    phone.text("Anyone?")

    settle(runtime)

    assert texts(runtime) == [*before, ["Anyone?"]]
    with runtime.db.reading() as session:
        rows = session.scalars(sa.select(Transcript).order_by(Transcript.id)).all()
    assert sum(len(row.summary["messages"]) for row in rows) == 3


def test_what_was_cut_before_stays_as_it_is_when_the_policy_changes(runtime, clinic, phone):
    phone.text("Is Rex ready?")
    phone.text("Or later?")
    settle(runtime)
    say(runtime, clinic, window="message")
    phone.text("Hello?")
    settle(runtime)
    say(runtime, clinic, window="gap")
    phone.text("Anyone?")

    settle(runtime)

    assert texts(runtime) == [["Is Rex ready?", "Or later?"], ["Hello?"], ["Anyone?"]]
    assert [each.is_wanted for each in entries(runtime)] == [True, True, True]


def test_a_transcript_stays_with_the_policy_that_decided_it(runtime, clinic, phone):
    phone.text("Is Rex ready?")
    phone.text("Is Rex ready?")
    settle(runtime)
    before = [entry.version for entry in entries(runtime)]
    say(runtime, clinic, enabled=False, repeat_seconds=0)
    with runtime.db.transaction() as session:
        mark_due(session, runtime.db, clinic.id, SubjectKind.CONVERSATION, "c-1")
    settle(runtime)
    assert [entry.version for entry in entries(runtime)] == before

    phone.text("Or later?")
    phone.text("Or later?")
    settle(runtime)
    phone.at += timedelta(days=1)
    phone.text("Hello?")
    settle(runtime)

    assert texts(runtime) == [["Is Rex ready?", "Or later?"]]
    replay(runtime, Span(), by_newest=True)
    settle(runtime)
    assert [entry.is_wanted for entry in entries(runtime)] == [False]

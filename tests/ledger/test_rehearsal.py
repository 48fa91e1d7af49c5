"""What a rehearsal foresees of who would call back, and what it says it cannot."""

from datetime import timedelta

import pytest

from factories import make_client, make_clinic
from ringnote.ledger.past import read_past
from ringnote.ledger.rehearsal import rehearse
from ringnote.ledger.rules import Rules
from stories import CALLER, Phone, settle

LAST = {"callbacks": {"assignee": ["last_answered"]}, "people": {"101": "amy"}}


@pytest.mark.parametrize(("people", "others"), [({"101": "amy"}, 1), ({"102": "bob"}, 0)])
def test_a_task_would_go_to_whoever_answered_long_before(runtime, db, people, others):
    clinic = make_clinic(db)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    phone.at -= timedelta(days=2)
    phone.answered("u-1")
    phone.at += timedelta(days=1)
    phone.missed("u-2")
    settle(runtime)

    with db.reading() as session:
        past = read_past(session, clinic, phone.at - timedelta(hours=1))
        told = rehearse(past, Rules(), Rules.model_validate(LAST | {"people": people}))

    assert (told["calls"], told["tasks"]) == (1, {"before": 1, "after": 1})
    assert told["tasks_with_other_terms"] == others


@pytest.mark.parametrize(
    ("matching", "told"),
    [
        ({"shared": "all", "backlog_days": 3}, ["matching.shared", "matching.backlog_days"]),
        ({"by_name": True}, ["matching.by_name"]),
        ({"backlog": "digest"}, []),
        ({"unknown": "ignore"}, []),
    ],
)
def test_what_it_cannot_foresee_is_said(runtime, db, matching, told):
    clinic = make_clinic(db)
    with db.reading() as session:
        past = read_past(session, clinic, Phone(runtime, clinic).at)

        found = rehearse(past, Rules(), Rules.model_validate({"matching": matching}))

    assert found["not_foreseen"] == told

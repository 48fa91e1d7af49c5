"""What a new version of a policy makes due at once."""

import pytest
from sqlalchemy import select

from factories import make_clinic, make_settled_call
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.policies import set_policy
from ringnote.ledger.rules import Rules
from ringnote.models import Clinic, DueMark


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_webhooks_go_on_coming_while_a_policy_is_set(db: Database) -> None:
    clinic = make_clinic(db)

    with db.transaction() as session, db.transaction() as other:
        known = session.get_one(Clinic, clinic.id)
        set_policy(session, db, known, Rules(watch_only=True), utc_now(), "kim")
        # What PostgreSQL asks of the clinic when an event of it is stored.
        asked = select(Clinic.id).where(Clinic.id == clinic.id)
        is_free = asked.with_for_update(read=True, key_share=True, skip_locked=True)
        assert other.scalars(is_free).all() == [clinic.id]


@pytest.mark.parametrize(
    ("said", "is_due"),
    [({"matching": {"shared": "primary"}}, True), ({"callbacks": {"due_minutes": 5}}, False)],
)
def test_what_waits_for_a_match_is_decided_anew_where_the_rules_of_matching_change(
    db: Database, said: dict, is_due: bool
) -> None:
    clinic = make_clinic(db)
    call = make_settled_call(db, clinic, "+12125550142", "several", candidates=["a", "b"])

    with db.transaction() as session:
        known = session.get_one(Clinic, clinic.id)
        set_policy(session, db, known, Rules.model_validate(said), utc_now(), "kim")

    with db.reading() as session:
        due = session.scalars(select(DueMark.subject_key)).all()
    assert due == ([call.call_uuid] if is_due else [])

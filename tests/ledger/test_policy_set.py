"""What a new version of a policy makes due at once."""

import pytest
from sqlalchemy import select

from factories import make_clinic, make_settled_call
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.policies import set_policy
from ringnote.ledger.rules import Rules
from ringnote.models import Clinic, DueMark


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

"""What was perhaps written, at a PMS that cannot tell: a person is asked, and answers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.connectors.base import NoteText
from ringnote.delivery import outbox
from ringnote.delivery.answers import confirm_entry
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.delivery.texts import cut, fit, merge
from ringnote.errors import OutcomeUnknown
from ringnote.models import Doubt, Entry, EntryState, OutboxRow, WhenInDoubt


class Blind(MemoryConnector):
    """A PMS that honours no key and finds nothing by reference."""

    capabilities = replace(
        MemoryConnector.capabilities, idempotency_key=False, find_by_reference=False
    )

    def _create(self, name, kept, record, key):
        return super()._create(name, kept, record, f"{key} {len(self.keys)}")


@pytest.fixture
def clinic(db):
    return make_clinic(db)


def write(db, pms):
    with db.transaction() as session:
        session.execute(
            sa.update(OutboxRow)
            .where(OutboxRow.due_at < datetime(9000, 1, 1, tzinfo=UTC))
            .values(due_at=datetime(2020, 1, 1, tzinfo=UTC))
        )
    for each in outbox.claim(db, 10):
        finish_all(db, [(each, deliver(each, pms, tools(db)))])


def perhaps_written(db, clinic, pms, **over):
    entry_id = make_entry(db, clinic, make_connection(db, clinic, **over))
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    write(db, pms)
    return entry_id


def look(db, entry_id):
    with db.reading() as session:
        return session.get_one(Entry, entry_id)


def test_a_person_is_asked_where_the_pms_cannot_tell(db, clinic):
    pms = Blind()

    entry = look(db, perhaps_written(db, clinic, pms))

    assert (entry.state, entry.doubt, len(pms.notes)) == (EntryState.SET_ASIDE, Doubt.ASKED, 1)
    assert entry.reference in entry.reason


def test_a_connection_may_have_it_sent_again_and_the_entry_says_so(db, clinic):
    pms = Blind()

    entry = look(db, perhaps_written(db, clinic, pms, when_in_doubt=WhenInDoubt.RETRY))

    assert (entry.state, len(pms.notes)) == (EntryState.SYNCED, 2)
    assert "perhaps twice" in entry.reason


def test_what_a_person_has_written_again_is_written_once_more(db, clinic):
    pms = Blind()
    entry_id = perhaps_written(db, clinic, pms)
    with db.transaction() as session:
        outbox.retry_entries(session, db, [session.get_one(Entry, entry_id)], "amy")

    write(db, pms)

    assert (look(db, entry_id).state, len(pms.notes)) == (EntryState.SYNCED, 2)


@pytest.mark.parametrize("pms_id", [None, "create_note-1"])
def test_what_a_person_confirms_is_not_written_again(db, clinic, pms_id):
    pms = Blind()
    entry_id = perhaps_written(db, clinic, pms)
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        confirm_entry(session, db, entry, pms_id, "amy", utc_now())

    write(db, pms)

    entry = look(db, entry_id)
    assert (entry.state, entry.pms_id, len(pms.notes)) == (EntryState.SYNCED, pms_id, 1)


def test_a_look_up_that_lags_is_waited_for(db, clinic):
    class Lagging(Blind):
        capabilities = replace(
            Blind.capabilities, find_by_reference=True, reference_lag_seconds=3600.0
        )

        def find_by_reference(self, kind, client_id, reference):
            return None

    pms = Lagging()

    entry = look(db, perhaps_written(db, clinic, pms))

    assert (entry.state, len(pms.notes)) == (EntryState.RETRYING, 1)


def test_what_a_person_wrote_is_kept_and_merging_again_changes_nothing():
    ours, new = NoteText("A", "one\nRingnote r"), NoteText("B", "two\nRingnote r")
    around = NoteText("A", "Rex bites.\none\nRingnote r\nAmy")
    within = NoteText("A", "o n e\nRingnote r\nAmy")

    for standing, said in [(ours, new.body), (around, "Rex bites.\ntwo\nRingnote r\nAmy")]:
        merged = merge(standing, [ours], new, "Ringnote r", utc_now())
        assert merged == NoteText("B", said)
        assert merge(merged, [ours, new], new, "Ringnote r", utc_now()) == merged
    added = merge(within, [ours], new, "Ringnote r", utc_now())
    assert added.body.startswith("o n e\nRingnote r\nAmy\n\nAdded by Ringnote on ")
    assert added.body.endswith("\ntwo\nRingnote r")
    assert merge(added, [ours, new], new, "Ringnote r", utc_now()) == added


def test_a_text_is_cut_between_what_people_see_as_characters_and_keeps_its_last_line():
    assert cut("ab👩‍👧c", 4) == "ab"
    assert cut("e\u0301x", 1) == ""
    fitted = fit(NoteText("T" * 30, "word " * 100 + "\nRingnote r"), 10, 80)
    assert (len(fitted.title), len(fitted.body) <= 80) == (10, True)
    assert fitted.body.endswith("\nRingnote r")

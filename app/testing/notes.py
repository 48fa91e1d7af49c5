"""What a connector is held to where notes are written, amended, removed and looked up."""

import threading
from dataclasses import replace

import pytest

from ..connectors.base import Connector, Kind, Note, NoteText
from ..errors import RecordGone, RecordRejected
from .pms import BODY, TITLE, FakePms, Kept, assert_quotes_nothing, needs

LINE = "10:42 am, Zoë: Tom & I <both> are late 🧦\n"


class NotesContract:
    """A note stands as it was meant, once."""

    unknown_client = "C999999"
    """An id of the right shape that no client has."""

    def test_a_note_arrives_as_it_was_meant(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        written = connector.create_note(note, "key-1")

        assert pms.kept(Kind.NOTE, note.client_id) == [Kept(written.pms_id, TITLE, BODY)]
        assert not written.was_there

    def test_a_note_as_long_as_may_be_arrives_whole(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        able = connector.capabilities
        title = (TITLE * 20)[: able.max_title or 200].strip()
        room, ending = able.max_body or 20_000, "\n\nRingnote R-1"
        lines = LINE * (room // len(LINE) + 1)
        body = lines[: room - len(ending)].rstrip() + ending

        written = connector.create_note(replace(note, title=title, body=body), "key-1")

        assert pms.kept(Kind.NOTE, note.client_id) == [Kept(written.pms_id, title, body)]

    @needs("idempotency_key")
    def test_the_same_key_twice_is_one_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        first = connector.create_note(note, "key-1")

        again = connector.create_note(replace(note, title="Missed call"), "key-1")

        assert (first.was_there, again.was_there) == (False, True)
        assert first.pms_id == again.pms_id
        assert [kept.title for kept in pms.kept(Kind.NOTE, note.client_id)] == [TITLE]

    @needs("idempotency_key")
    def test_the_same_key_at_the_same_time_is_one_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda: ids.append(connector.create_note(note, "key").pms_id))
            for _ in range(6)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(ids) == 6
        assert len(set(ids)) == len(pms.kept(Kind.NOTE, note.client_id)) == 1

    def test_another_key_is_another_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        connector.create_note(note, "key-1")

        connector.create_note(replace(note, reference="R-9"), "key-2")

        assert len(pms.kept(Kind.NOTE, note.client_id)) == 2

    @needs("update_note")
    def test_a_note_is_replaced(self, pms: FakePms, connector: Connector, note: Note) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        connector.update_note(pms_id, replace(note, title="Missed call", body="another"))

        assert pms.kept(Kind.NOTE, note.client_id) == [Kept(pms_id, "Missed call", "another")]

    @needs("read_notes")
    def test_a_note_is_told_as_it_was_written(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        assert connector.get_note(pms_id) == NoteText(TITLE, BODY)

        pms.remove(Kind.NOTE, pms_id)
        with pytest.raises(RecordGone):
            connector.get_note(pms_id)

    @needs("delete_note")
    def test_a_deleted_note_stays_deleted(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        connector.delete_note(pms_id)
        connector.delete_note(pms_id)

        assert pms.kept(Kind.NOTE, note.client_id) == []

    @needs("update_note")
    def test_a_note_that_a_person_deleted_is_told_as_gone(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id
        pms.remove(Kind.NOTE, pms_id)

        with pytest.raises(RecordGone):
            connector.update_note(pms_id, note)

    def test_a_record_refused_is_for_a_person(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        with pytest.raises(RecordRejected) as raised:
            connector.create_note(replace(note, client_id=self.unknown_client), "key-1")

        assert_quotes_nothing(raised.value, pms.secret)

    @needs("find_by_reference")
    def test_what_was_written_is_found_by_its_reference(
        self, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id
        connector.create_note(replace(note, body="Ringnote R-11", reference="R-11"), "key-2")

        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == pms_id
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-") is None

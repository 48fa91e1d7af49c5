"""What a connector is held to where its PMS refuses, breaks off, dawdles or talks nonsense."""

import time
from collections.abc import Mapping
from email.utils import formatdate

import pytest

from ..connectors.base import Connector, Kind, Note
from ..errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    Temporary,
)
from ..http import Http
from ..sandbox.faults import Fault, FaultKind
from .pms import FakePms, assert_quotes_nothing, calls, changes, needs, readings_of, wait_for

TELLING_NOTHING = (FaultKind.HTML, FaultKind.EMPTY, FaultKind.ERROR_INSIDE)
"""Answers of 200 that tell of nothing that was asked for: a page to sign in at, say."""
AWAY = 1000
"""Seconds, after which a PMS lets itself be asked again."""
LIMITS = {"at once": 1, "next week": 6 * 3600}
"""Seconds that are waited in place of what is named."""


def ways_to_wait(until: float) -> Mapping[str, Mapping[str, str]]:
    """The headers by which PMSs tell when to come back: at a time, as a stamp."""
    return {
        "seconds": {"Retry-After": str(AWAY)},
        "a date": {"Retry-After": formatdate(until, usegmt=True)},
        "a stamp": {"X-RateLimit-Reset": f"{until:.0f}"},
        "a stamp of milliseconds": {"X-RateLimit-Reset": f"{until * 1000:.0f}"},
        "seconds until the reset": {"X-RateLimit-Reset": str(AWAY)},
        "the draft's seconds": {"RateLimit-Reset": str(AWAY)},
        "the standard's seconds": {"RateLimit": f'"requests";r=0;t={AWAY}'},
        "at once": {"Retry-After": "0"},
        "next week": {"Retry-After": "604800"},
    }


class TroublesContract:
    """What went wrong comes out as the error that has the right thing done about it."""

    tells_of_changes = True
    """Whether the PMS answers a change with what tells that it was made."""

    def test_a_wrong_secret_is_told_as_such(self, pms: FakePms, http: Http) -> None:
        stranger = pms.connector(http, secret="wrong-secret-of-4711")

        with pytest.raises(CredentialsRejected) as raised:
            stranger.check()

        assert_quotes_nothing(raised.value, "wrong-secret-of-4711")

    def test_credentials_taken_back_pause_every_call(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.UNAUTHORIZED))

        for call in calls(connector, note):
            with pytest.raises(CredentialsRejected) as raised:
                call()
            assert_quotes_nothing(raised.value, pms.secret)

    @needs("find_by_reference")
    def test_a_connection_lost_after_writing_is_found_out(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.DROP_AFTER, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown) as raised:
            connector.create_note(note, "key-1")

        [kept] = pms.kept(Kind.NOTE, note.client_id)
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == kept.id
        assert_quotes_nothing(raised.value, pms.secret)

    @needs("find_by_reference")
    def test_a_connection_lost_before_writing_is_found_out(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.DROP_BEFORE, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown):
            connector.create_note(note, "key-1")

        assert pms.kept(Kind.NOTE, note.client_id) == []
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") is None

    @needs("find_by_reference")
    def test_an_answer_that_comes_too_late_is_found_out(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        hasty = Http(allow_private=True, read_seconds=1.0)
        pms.fail(Fault(FaultKind.SLOW, 1, seconds=1.6, only_writes=True))

        with pytest.raises(OutcomeUnknown):
            pms.connector(hasty).create_note(note, "key-1")

        wait_for(lambda: pms.kept(Kind.NOTE, note.client_id))
        [kept] = pms.kept(Kind.NOTE, note.client_id)
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == kept.id
        hasty.close()

    @pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.EMPTY])
    def test_a_create_with_an_unreadable_answer_is_in_doubt(
        self, pms: FakePms, connector: Connector, note: Note, kind: FaultKind
    ) -> None:
        pms.fail(Fault(kind, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown) as raised:
            connector.create_note(note, "key-1")

        assert len(pms.kept(Kind.NOTE, note.client_id)) == 1
        assert_quotes_nothing(raised.value, pms.secret)

    @pytest.mark.parametrize("kind", [*TELLING_NOTHING, FaultKind.TRUNCATED])
    def test_an_unreadable_answer_is_never_taken_for_an_empty_one(
        self, pms: FakePms, connector: Connector, note: Note, kind: FaultKind
    ) -> None:
        standing = readings_of(connector, note)
        pms.fail(Fault(kind))

        for call in standing:
            with pytest.raises(Temporary) as raised:
                call()
            assert_quotes_nothing(raised.value, pms.secret)

    @pytest.mark.parametrize("kind", TELLING_NOTHING)
    def test_nothing_is_taken_for_done_that_no_answer_tells_of(
        self, pms: FakePms, connector: Connector, note: Note, kind: FaultKind
    ) -> None:
        is_any_json_fine = not self.tells_of_changes and kind is not FaultKind.HTML
        standing = changes(connector, note, only_creates=is_any_json_fine)
        pms.fail(Fault(kind, only_writes=True))

        for change in standing:
            with pytest.raises(ConnectorError) as raised:
                change()
            assert not isinstance(raised.value, RecordGone)
            assert_quotes_nothing(raised.value, pms.secret)

    def test_a_reading_that_breaks_off_is_tried_again(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        standing = readings_of(connector, note)
        pms.fail(Fault(FaultKind.DROP_AFTER))

        for call in standing:
            with pytest.raises(Temporary) as raised:
                call()
            assert_quotes_nothing(raised.value, pms.secret)

    def test_however_a_time_to_come_back_is_told_it_is_heeded(
        self, pms: FakePms, connector: Connector
    ) -> None:
        told = {}
        for name, headers in ways_to_wait(time.time() + AWAY).items():
            pms.fail(Fault(FaultKind.RATE_LIMIT, headers=headers))
            with pytest.raises(RateLimited) as raised:
                connector.check()
            told[name] = raised.value.retry_after

        assert told == {name: LIMITS.get(name, pytest.approx(AWAY, abs=AWAY / 10)) for name in told}

    def test_a_rate_limit_tells_when_to_come_back(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.RATE_LIMIT, seconds=17))

        for call in calls(connector, note):
            with pytest.raises(RateLimited) as raised:
                call()
            assert raised.value.retry_after == pytest.approx(17, abs=1)

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_a_server_error_is_temporary(
        self, pms: FakePms, connector: Connector, note: Note, status: int
    ) -> None:
        pms.fail(Fault(FaultKind.SERVER_ERROR, status=status))

        for call in calls(connector, note):
            with pytest.raises(Temporary) as raised:
                call()
            assert not isinstance(raised.value, RateLimited)
            assert raised.value.status == status
            assert_quotes_nothing(raised.value, pms.secret)

"""What is known of the records that tries leave in a PMS, kept so that the next try knows it too.

A try asks it where the PMS cannot tell: what we wrote there, and when something was last sent.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from ..connectors.base import NoteText
from ..db import Database
from ..errors import Temporary
from ..models import Connection, Entry, OutboxRow, WhenInDoubt
from .work import Work

KEPT_TEXTS = 3
"""How many of our last texts are known again: a worker that was held up may write an older one."""
IN_DOUBT = "in_doubt"
"""Marks a kept text that was perhaps not written."""
LEASE_LOST = "the lease ran out before it was sent"


class Records:
    """Notes what is about to be written, in transactions of its own. Safe to use from threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def sent(self, work: Work) -> list[NoteText]:
        """The texts of ours that may stand in the PMS, the newest last."""
        return [text_of(each) for each in self._kept(work)]

    def is_said(self, work: Work, text: NoteText) -> bool:
        """Whether the newest text of ours there is `text`, without a doubt."""
        return as_json(text) in self._kept(work)[-1:]

    def declare(self, work: Work, text: NoteText, besides: NoteText | None = None) -> None:
        """Note that `text` is about to be sent, and that `besides` is what stands there until it
        is. Commits.

        Raises Temporary if the lease was lost.
        """
        with self._db.transaction() as session:
            entry = self._held(session, work)
            known, said = entry.sent_texts or [], as_json(text)
            if said != (known[-1] if known else None):
                known = [*known, said]
            kept = known[-KEPT_TEXTS:]
            if besides and as_json(besides) not in kept:
                kept = [as_json(besides), *kept[-KEPT_TEXTS + 1 :]]
            if kept != entry.sent_texts:
                entry.sent_texts = kept

    def begin_done(self, work: Work) -> None:
        """Note that its task is about to be completed: if it is open again later, it was not one of
        the PMS's users who did it. Commits; raises as `declare` does."""
        if work.is_done_there:
            return
        with self._db.transaction() as session:
            self._held(session, work).is_done_there = True

    def adopt(self, work: Work, pms_id: str) -> Work:
        """Note that the entry's record is this one, before it is removed: should nobody tell that
        it was, its key stands for a record that is gone. Returns the work with it. Commits; raises
        as `declare` does."""
        with self._db.transaction() as session:
            entry = self._held(session, work)
            row = session.get_one(OutboxRow, work.entry_id)
            # The same account may have been connected anew meanwhile.
            entry.pms_id, entry.connection_id = pms_id, row.connection_id
        return replace(work, pms_id=pms_id)

    def begin_anew(self, work: Work) -> Work:
        """Note that the entry's record is gone and another is written in its stead, before it is:
        should nobody tell that it was, the next try looks for that one. Returns the work so.
        Commits; raises as `declare` does."""
        anew = replace(
            work,
            pms_id=None,
            incarnation=work.incarnation + 1,
            is_in_doubt=False,
            is_done_there=False,
        )
        with self._db.transaction() as session:
            entry = self._held(session, work)
            entry.pms_id, entry.incarnation = None, anew.incarnation
            entry.sent_texts, entry.is_done_there = None, False
            session.execute(_row(work).values(is_in_doubt=True))
        return anew

    def clear_doubt(self, work: Work) -> None:
        """Note that what `begin_anew` told of was certainly not written. Commits."""
        with self._db.transaction() as session:
            session.execute(_row(work).values(is_in_doubt=False))

    def begin_addition(self, work: Work, text: NoteText) -> bool:
        """Note that an addition is about to be sent that nothing could find again; False if it was
        noted before, so that it may stand there already. Commits; raises as `declare` does."""
        with self._db.transaction() as session:
            entry = self._held(session, work)
            known = entry.sent_texts or []
            mark = {**as_json(text), IN_DOUBT: True}
            if mark in known:
                return False
            entry.sent_texts = [*known, mark][-KEPT_TEXTS:]
        return True

    def drop_addition(self, work: Work) -> None:
        """Note that the addition was certainly not written. Commits."""
        with self._db.transaction() as session:
            entry = session.get(
                Entry, work.entry_id, with_for_update=True, options=[undefer(Entry.sent_texts)]
            )
            if entry is not None:
                entry.sent_texts = without_doubt(entry.sent_texts)

    def begin_create(self, work: Work) -> None:
        """Note that a create is sent now. Commits."""
        with self._db.transaction() as session:
            session.execute(_row(work).values(sent_at=self._db.now()))

    def seconds_since_create(self, work: Work) -> float:
        """How long ago a create was last sent, by the database's clock; 0 from now on if nobody
        noted it. Commits."""
        with self._db.transaction() as session:
            now = self._db.present(session)
            query = sa.select(OutboxRow.sent_at).where(OutboxRow.entry_id == work.entry_id)
            sent_at = session.scalars(query).first()
            if sent_at is None:
                session.execute(_row(work).values(sent_at=now))
                return 0.0
        return (now - sent_at).total_seconds()

    def asks(self, work: Work) -> bool:
        """Whether a person is asked about what was perhaps written and cannot be looked up."""
        with self._db.reading() as session:
            query = sa.select(Connection.when_in_doubt).where(Connection.id == work.connection_id)
            return session.scalars(query).first() is not WhenInDoubt.RETRY

    def _kept(self, work: Work) -> Sequence[dict[str, Any]]:
        with self._db.reading() as session:
            query = sa.select(Entry.sent_texts).where(Entry.id == work.entry_id)
            return session.scalars(query).first() or []

    def _held(self, session: Session, work: Work) -> Entry:
        entry = session.get(
            Entry, work.entry_id, with_for_update=True, options=[undefer(Entry.sent_texts)]
        )
        row = sa.select(OutboxRow.entry_id).where(
            OutboxRow.entry_id == work.entry_id,
            OutboxRow.lease_token == work.lease_token,
            OutboxRow.due_at > self._db.now(),
        )
        if entry is None or session.scalars(row).first() is None:
            raise Temporary(LEASE_LOST)
        return entry


def as_json(text: NoteText) -> dict[str, Any]:
    """A text as an entry keeps it."""
    return {"title": text.title, "body": text.body}


def text_of(kept: dict[str, Any]) -> NoteText:
    """The text that an entry keeps."""
    return NoteText(kept["title"], kept["body"])


def without_doubt(kept: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Kept texts but for an addition that was perhaps not written."""
    return [each for each in kept or [] if IN_DOUBT not in each] or None


def beyond_doubt(kept: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Kept texts once a person said that they stand there."""
    return [as_json(text_of(each)) for each in kept or []] or None


def _row(work: Work) -> sa.Update:
    return sa.update(OutboxRow).where(
        OutboxRow.entry_id == work.entry_id, OutboxRow.lease_token == work.lease_token
    )

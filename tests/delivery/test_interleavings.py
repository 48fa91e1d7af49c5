"""Whatever happens between any two steps of any workers, the PMS comes to say what the entry says.

Invented histories of one entry: it changes, is withdrawn and wanted again, while workers claim it,
die, lose their leases and wake up late, and the PMS refuses, loses answers, or carries a dead
worker's create out long after. RINGNOTE_INTERLEAVINGS is how many (`make properties` sets many).
"""

import contextlib
import os
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.delivery import outbox
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.errors import OutcomeUnknown, RateLimited, RecordGone, Temporary
from ringnote.models import Connection, Entry, EntryKind, EntryState, OutboxRow, Pace

HISTORIES = int(os.environ.get("RINGNOTE_INTERLEAVINGS", "40"))
PARKED = datetime(9000, 1, 1, tzinfo=UTC)
CREATES = ("create_note", "create_task")
READS = ("get_note", "get_task", "find_by_reference", "check")
ABILITIES = [
    {},
    {"find_by_reference": False},
    {"idempotency_key": False},
    {"reopen_task": False},
    {"reopen_task": False, "idempotency_key": False},
    {"read_tasks": False, "read_notes": False},
    {"delete_note": False, "delete_task": False},
    {"update_note": False, "read_notes": False},
    {"update_note": False, "read_notes": False, "idempotency_key": False},
]


class Died(BaseException):
    """The worker was killed."""


class Hand:
    """A worker at one try, in a thread that goes on only when it is told how.

    `asks` is the call of the PMS that it is about to make, None once the try has `ended`.
    """

    def __init__(self, db, work, able, is_held):
        self.work, self.able = work, able
        self.asks = self.ended = None
        self.must_live = False
        self._asked, self._told = queue.Queue(), queue.Queue()

        def run():
            with contextlib.suppress(Died):
                self.ended = deliver(work, Wire(self), tools(db, is_held))
            self._asked.put(None)

        threading.Thread(target=run, daemon=True).start()
        self.asks = self._asked.get(timeout=30)

    def ask(self, name, args):
        self._asked.put((name, args))
        return self._told.get(timeout=30)()

    def go_on(self, act: Callable):
        self._told.put(act)
        self.asks = self._asked.get(timeout=30)


class Wire:
    """What a worker takes for its connector."""

    def __init__(self, hand):
        self._hand = hand
        self.capabilities = hand.able

    def __getattr__(self, name):
        return lambda *args: self._hand.ask(name, args)


class History:
    """One entry at one PMS, and the dice that say what happens next; `told` says what did."""

    def __init__(self, db, connection, seed):
        self.db, self.dice, self.told = db, random.Random(seed), []
        self.kind = self.dice.choice([EntryKind.NOTE, EntryKind.TASK])
        self.able = replace(MemoryConnector.capabilities, **self.dice.choice(ABILITIES))
        self.pms = MemoryConnector()
        self.pms.capabilities = self.able
        self.connection, self.client = connection, f"C{seed}"
        self.entry_id = make_entry(
            db, connection.clinic_id, connection, self.kind, client=self.client
        )
        self.hands, self.lost, self.late = [], set(), []
        self.texts = 1

    def happen(self):
        for _ in range(self.dice.randint(5, 30)):
            what = self.dice.choice([self.change, *[self.work] * 4, self.lose_lease, self.be_late])
            what()

    def come_to_rest(self):
        """All is well from here on, and whatever still was on its way comes to its end."""
        while self.hands:
            self.end(self.dice.choice(self.hands), is_well=True)
        for _ in range(20):
            if not self.claim():
                break
            while self.hands:
                self.end(self.hands[0], is_well=True)
        self.be_late(len(self.late))

    def change(self):
        entry = self.read()
        ways = ["amend", "withdraw" if entry.is_wanted else "want again"]
        if self.kind is EntryKind.TASK and entry.is_wanted:
            ways += ["open" if entry.content["is_done"] else "done"]
        way = self.dice.choice(ways)
        self.told.append(way)
        with self.db.transaction() as session:
            entry = session.get_one(Entry, self.entry_id, with_for_update=True)
            if way == "amend":
                self.texts += 1
                entry.content = {**entry.content, "body": f"Text {self.texts}"}
                entry.is_wanted = True
            elif way in ("open", "done"):
                entry.content = {**entry.content, "is_done": way == "done"}
            else:
                entry.is_wanted = way == "want again"
            entry.version += 1
            connection = session.get_one(Connection, self.connection.id)
            outbox.place(session, self.db, entry, connection, utc_now())

    def work(self):
        if not self.hands or self.dice.random() < 0.2:
            self.claim()
        else:
            self.end(self.dice.choice(self.hands), is_well=False)

    def claim(self):
        with self.db.transaction() as session:
            session.execute(
                sa.update(OutboxRow)
                .where(OutboxRow.lease_token.is_(None), OutboxRow.due_at < PARKED)
                .values(due_at=utc_now() - timedelta(seconds=1))
            )
            session.execute(sa.update(Pace).values(blocked_until=None, failures=0))
        claimed = outbox.claim(self.db, 1)
        for work in claimed:
            self.told.append(f"{work.lease_token[:4]} claims")
            self.hands.append(Hand(self.db, work, self.able, self.is_held))
        return claimed

    def is_held(self, work):
        return work.lease_token not in self.lost

    def lose_lease(self):
        with self.db.transaction() as session:
            row = session.get(OutboxRow, self.entry_id)
            if row is None or row.lease_token is None:
                return
            [hand] = [h for h in self.hands if h.work.lease_token == row.lease_token] or [None]
            if hand and hand.asks and hand.asks[0] in CREATES and not self.able.idempotency_key:
                # Nobody could tell then that its record is the same.
                return
            row.due_at = utc_now() - timedelta(seconds=1)
            self.lost.add(row.lease_token)
            self.told.append(f"{row.lease_token[:4]} has lost its lease")

    def end(self, hand, is_well):
        """One step of a worker nearer to its end, or its death."""
        name = hand.work.lease_token[:4]
        if hand.asks is None:
            self.hands.remove(hand)
            if is_well or hand.must_live or self.dice.random() < 0.8:
                self.told.append(f"{name} finishes: {hand.ended.verdict.next}")
                finish_all(self.db, [(hand.work, hand.ended)])
            else:
                self.told.append(f"{name} dies at its end")
                self._run_out(hand.work.lease_token)
            return
        what, args = hand.asks
        # What a worker that dies writes late is a window that docs/guarantees.md tells of.
        is_harmless = what in READS or (what in CREATES and self.able.delete_note)
        hand.must_live |= hand.work.lease_token in self.lost and not is_harmless
        ways = ["do"] if is_well else ["do", "do", "do", "lose", "refuse", "limit"]
        if not is_well and not hand.must_live:
            ways += ["die before", "die after"]
            ways += ["die, carried out late"] if self._may_be_late(what) else []
        way = self.dice.choice(ways)
        of = args[1] if what in CREATES else next(iter(args), "")
        self.told.append(f"{name} {what} {of}: {way}")
        self._tell(hand, what, args, way)

    def _may_be_late(self, what):
        # Where nothing can be deleted, or no key is kept, that is another of those windows.
        return what in CREATES and self.able.idempotency_key and self.able.delete_note

    def _tell(self, hand, what, args, way):
        def carry_out():
            return getattr(self.pms, what)(*args)

        def lose():
            carry_out()
            raise OutcomeUnknown("no answer") if what in CREATES else Temporary("a broken answer")

        def refuse():
            raise Temporary("the PMS answered 503", status=503)

        def limit():
            raise RateLimited("the PMS answered 429", status=429)

        def die_after():
            with contextlib.suppress(RecordGone):
                carry_out()
            raise Died

        def die():
            raise Died

        if way == "die, carried out late":
            self.late.append(carry_out)
        acts = {"do": carry_out, "lose": lose, "refuse": refuse, "limit": limit}
        acts |= {"die before": die, "die after": die_after, "die, carried out late": die}
        hand.go_on(acts[way])
        if way.startswith("die"):
            self.hands.remove(hand)
            self._run_out(hand.work.lease_token)

    def _run_out(self, token):
        """Nobody renews the lease any more."""
        with self.db.transaction() as session:
            session.execute(
                sa.update(OutboxRow)
                .where(OutboxRow.lease_token == token)
                .values(due_at=utc_now() - timedelta(seconds=1))
            )

    def be_late(self, count=1):
        for _ in range(min(count, len(self.late))):
            self.told.append("a late create is carried out")
            self.late.pop(0)()

    def read(self):
        with self.db.reading() as session:
            return session.get_one(Entry, self.entry_id)

    def wrong(self, entry):
        """What the PMS holds that it should not, or lacks."""
        records = self.pms.notes | self.pms.tasks
        marks = Counter(record.reference for record in records.values())
        wrong = [f"{mark} stands {count} times" for mark, count in marks.items() if count > 1]
        if not self.able.reopen_task:
            # The one that could not be reopened stays, done.
            records = {
                pms_id: record
                for pms_id, record in records.items()
                if pms_id == entry.pms_id or pms_id not in self.pms.done
            }
        if entry.is_wanted:
            is_done = bool(entry.content.get("is_done"))
            said = [
                pms_id for pms_id, each in records.items() if entry.content["body"] in each.body
            ]
            # An addition may repeat what nobody could tell was written.
            is_said = len(said) == 1 if self.able.update_note else bool(said)
            wrong += [] if is_said else [f"the newest text is said by {said}"]
            wrong += [] if (entry.pms_id in self.pms.done) is is_done else ["it is done, or is not"]
        others = [each for pms_id, each in records.items() if pms_id != entry.pms_id]
        if self.able.delete_note and self.able.update_note:
            wrong += [f"{each.reference} is left" for each in others]
        elif self.able.update_note:
            is_said = [each.title.startswith("Withdrawn") for each in others]
            wrong += [] if all(is_said) else ["one is not called withdrawn"]
        return wrong


@pytest.mark.parametrize("part", range(4))
def test_the_pms_says_what_the_entry_says_whatever_happens(db, part):
    connection = make_connection(db, make_clinic(db))
    for number in range(part, HISTORIES, 4):
        history = History(db, connection, number)
        history.happen()

        history.come_to_rest()

        entry = history.read()
        state = EntryState.SYNCED if entry.is_wanted else EntryState.WITHDRAWN
        told = "\n".join([f"history {number}, {history.able}", *history.told])
        assert (entry.state, history.wrong(entry)) == (state, []), told

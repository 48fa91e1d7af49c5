"""What a try that ended without its lease leads to: what another did meanwhile may be undone."""

from sqlalchemy.orm import Session

from ..db import Database
from ..directory.accounts import find_connection_in_use
from ..ledger.reconcile import place
from ..models import Entry, OutboxRow
from .records import KEPT_TEXTS, as_json
from .retry import Next
from .tries import Try, is_done_by
from .work import Work

PERHAPS_WRITTEN = (Next.WRITTEN, Next.AGAIN, Next.UNKNOWN)


def write_again(session: Session, db: Database, entry: Entry, work: Work, result: Try) -> None:
    """Have an entry that has moved on written anew: what was sent without a lease may have reached
    the PMS after what another worker sent."""
    if entry.version == work.version or result.verdict.next not in PERHAPS_WRITTEN:
        return
    row = session.get(OutboxRow, entry.id, populate_existing=True)
    is_back = _is_back(entry, row, work, result)
    if is_back:
        entry.pms_id = result.pms_id
        # The same account may have been connected anew meanwhile.
        entry.connection_id = row.connection_id if row else work.connection_id
    if result.text is not None:
        entry.sent_texts = [*(entry.sent_texts or []), as_json(result.text)][-KEPT_TEXTS:]
    entry.is_done_there |= is_done_by(work)
    entry.version += 1
    connection = find_connection_in_use(session, entry.clinic_id)
    place(session, db, entry, connection, db.present(session))
    row = session.get(OutboxRow, entry.id, populate_existing=True)
    if row is None:
        return
    has_changed = is_back or not work.is_wanted
    # By now another may have deleted it.
    row.is_in_doubt |= has_changed
    if has_changed or is_done_by(work):
        # Whoever holds it does not know of that, so neither has their finish the last word.
        row.lease_token = None


def _is_back(entry: Entry, row: OutboxRow | None, work: Work, result: Try) -> bool:
    """Whether a try without a lease left a record that the entry has none of: the other found
    nothing to remove, as it was not there yet; or had it called withdrawn, and now it is not."""
    is_created = work.pms_id is None
    is_amended = result.verdict.next is Next.WRITTEN and not entry.is_wanted
    if result.pms_id is None or not (is_created or is_amended):
        return False
    if is_created and work.incarnation == entry.incarnation:
        return True
    # What is being written in its stead has another id.
    return entry.pms_id is None and (row is None or row.lease_token is None)

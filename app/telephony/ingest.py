"""Keeps each webhook as it came, and its due mark, all or nothing. Called by the web's receiver.

Decides nothing about calls: whatever can be kept is kept, and what cannot be read is quarantined.
"""

from collections.abc import Sequence
from datetime import datetime

from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from ..batches import Batches
from ..errors import WebhookError
from ..logs import get_logger
from ..models import EventStatus, new_event_id
from ..runtime import Runtime
from ..spool import Spool
from ..spool_lines import Spooled
from .parse import read_event
from .store import Read, Receipt, store
from .tokens import hash_token

PATIENCE_SECONDS = 1.5
"""How long the database may take over a webhook before it is put by, so that who sent it has its
answer within two."""

log = get_logger(__name__)


class Writer:
    """Commits the webhooks that wait, all of them in one transaction, in a thread of its own.

    So each waits for one commit at most before its own, and a database that hangs has the thread
    hang, not those who wait. One of each runtime: `runtime.own(Writer)`.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._batches: Batches[Read, Receipt | None] = Batches(self._write, "ringnote-writer")

    @property
    def hangs(self) -> bool:
        """Whether nobody need wait for it just now."""
        return self._batches.busy_seconds > PATIENCE_SECONDS

    def write(self, webhook: Read) -> Receipt | None:
        """Keep one webhook durably; None for a token that no clinic has.

        Raises what the database raises, and TimeoutError if it takes too long; then it may yet come
        to be kept.
        """
        return self._batches.bring(webhook, PATIENCE_SECONDS)

    def close(self) -> None:
        self._batches.close()

    def _write(self, webhooks: Sequence[Read]) -> list[Receipt | Exception | None]:
        outcomes = _store_each(self._runtime, webhooks)
        self._runtime.waker.notify()
        return outcomes


def take(
    runtime: Runtime, token: str, body: bytes, content_type: str, received_at: datetime
) -> Receipt:
    """Keep one webhook durably: in the database, else in the spool if the deployment has one.

    Raises WebhookError(404) for a token that no clinic has; what the database raises (TimeoutError,
    if it hangs) where there is no spool, and OSError where that fails too.
    """
    webhook = Spooled(
        new_event_id(received_at),
        received_at,
        hash_token(token),
        content_type.replace("\0", "")[:200],
        body,
    )
    read = webhook, read_event(body)
    spool, writer = runtime.spool, runtime.own(Writer)
    if spool and (spool.is_preferred or writer.hangs):
        return _put_by(spool, read)
    try:
        receipt = writer.write(read)
    except (SQLAlchemyError, TimeoutError) as error:
        if spool is None:
            raise
        log.warning("webhook.spooled", error=type(error).__name__)
        return _put_by(spool, read)
    if receipt is None:
        raise WebhookError("no clinic has this address", 404)
    return receipt


def _put_by(spool: Spool, read: Read) -> Receipt:
    # Whose it is can't be told now; that and the token are looked at when it is stored.
    webhook, reading = read
    spool.append(webhook)
    status = EventStatus.QUARANTINED if reading.is_quarantined else EventStatus.ACCEPTED
    fault = reading.reason if reading.is_quarantined else None
    return Receipt(status, fault, webhook.event_id, is_spooled=True)


def keep_spooled(runtime: Runtime, webhooks: Sequence[Spooled]) -> list[Spooled]:
    """Store what was spooled, each once however often it is tried; those that never will be.

    Raises what the database raises if it cannot be reached. Commits.
    """
    read = [(webhook, read_event(webhook.body)) for webhook in webhooks]
    outcomes = _store_each(runtime, read)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, DataError | IntegrityError):
            raise outcome
    if unknown := outcomes.count(None):
        log.warning("spool.unknown_token", count=unknown)
    runtime.waker.notify()
    return [
        webhook
        for webhook, outcome in zip(webhooks, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]


def _store_each(runtime: Runtime, webhooks: Sequence[Read]) -> list[Receipt | Exception | None]:
    """Store all or nothing; if one of them cannot be stored, each by itself. Commits."""
    try:
        with runtime.db.statements() as session:
            return [*store(session, runtime.db, runtime.clock, webhooks)]
    except DBAPIError as error:
        if not _is_of_one(error):
            raise
        if len(webhooks) == 1:
            return [error]
    return [outcome for webhook in webhooks for outcome in _store_each(runtime, [webhook])]


def _is_of_one(error: DBAPIError) -> bool:
    """Whether the others may be stored all the same, and each by itself."""
    return isinstance(error, DataError | IntegrityError) or isinstance(error.orig, DeadlockDetected)

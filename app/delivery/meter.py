"""Keeps to the rates at which a PMS takes requests, whoever asks it, in all workers together.

A connection has a bucket of tokens for each kind of endpoint that its connector declares a rate
for. A claim buys for what it takes on (`claim.py`), in one go; whatever else is asked of the PMS -
a look-up, a sync, more than was thought that a try takes - is bought as it goes, and waits for it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors.base import Rate
from ..db import DATABASE_FAULTS, Database
from ..errors import RateLimited, Temporary
from ..models import PaceBucket
from .bucket import Bucket

WRITES = ""
"""The kind of endpoint that is written to, of which claims buy."""
LEFT_TO_WRITES = 1
"""So many tokens of that kind are left to those who write, by whoever asks besides them."""
PATIENCE_SECONDS = 5.0
"""So long; then it is their turn too, however much is to be written."""
LONGEST_WAIT_SECONDS = 10.0
USED_UP = "as many requests were sent to the PMS as it takes for now"


@dataclass(slots=True)
class Prepaid:
    """What was bought for a try and is not used yet. Of one thread."""

    tokens: int


_PREPAID: ContextVar[Prepaid | None] = ContextVar("ringnote_prepaid", default=None)


@contextmanager
def prepaid(tokens: int) -> Iterator[Prepaid]:
    """A try for which so many requests were bought; what it sends besides is bought at once."""
    purse = Prepaid(tokens)
    token = _PREPAID.set(purse)
    try:
        yield purse
    finally:
        _PREPAID.reset(token)


def rates_for(rates: Sequence[Rate], kind: str) -> list[Rate]:
    """The rates that a request to an endpoint of this kind counts for."""
    own = [each for each in rates if each.kind == kind]
    counts_for_all = any(each.counts_for_all for each in own)
    return own + [each for each in rates if counts_for_all and each.kind == WRITES != kind]


class Meter:
    """Lets the requests of one connection pass at the `rates` of its connector. Safe to share
    between threads."""

    def __init__(self, db: Database, connection_id: int) -> None:
        self._db = db
        self._connection_id = connection_id
        self.rates: Sequence[Rate] = ()

    def pass_(self, kind: str) -> None:
        """Wait until a request to an endpoint of this kind may be sent. Commits.

        Raises RateLimited where that is long, Temporary if the database does not say.
        """
        for rate in rates_for(self.rates, kind):
            self._take(rate)

    def _take(self, rate: Rate) -> None:
        purse = _PREPAID.get()
        if purse is not None and purse.tokens and rate.kind == WRITES:
            purse.tokens -= 1
            return
        self._wait_for(rate, patience=0.0 if purse is not None else PATIENCE_SECONDS)

    def _wait_for(self, rate: Rate, patience: float) -> None:
        patient_until = time.monotonic() + patience
        is_bought = False
        while not is_bought:
            try:
                is_bought, wait = self._buy(rate, time.monotonic() < patient_until)
            except DATABASE_FAULTS:
                raise Temporary("the database did not say whether the PMS may be asked") from None
            time.sleep(wait)

    def _buy(self, rate: Rate, is_patient: bool) -> tuple[bool, float]:
        """Whether a request was bought, and for how many seconds to wait: for it, or to ask again.

        Who is patient buys only what is there; the others get in line."""
        with self._db.transaction() as session:
            bucket = _locked(session, self._db, self._connection_id, rate)
            now = self._db.present(session)
            least = 1 + (LEFT_TO_WRITES if is_patient and rate.kind == WRITES else 0)
            least = min(least, int(bucket.size))
            wait = bucket.seconds_until(least, now)
            if wait > LONGEST_WAIT_SECONDS:
                raise RateLimited(USED_UP, retry_after=wait)
            if is_patient and wait:
                return False, min(wait, PATIENCE_SECONDS)
            _keep(session, self._connection_id, rate.kind, bucket.less(1, now))
        return True, wait


def give_back(db: Database, connection_id: int, tokens: int) -> None:
    """Give back what was bought for a try that used less. Commits."""
    with db.transaction() as session:
        row = session.get(PaceBucket, (connection_id, WRITES), with_for_update=True)
        if row is not None:
            bucket = Bucket(row.tokens, row.per_second, row.refilled_at)
            row.refilled_at = bucket.more(tokens).ready_at


def declare(session: Session, db: Database, connection_id: int, rates: Sequence[Rate]) -> None:
    """Keep the rates of a connection, from which claims see that they are to buy. No commit."""
    declared = {rate.kind for rate in rates}
    session.execute(
        sa.delete(PaceBucket).where(
            PaceBucket.connection_id == connection_id, PaceBucket.kind.not_in(declared)
        )
    )
    for rate in rates:
        _locked(session, db, connection_id, rate)


def is_declared(session: Session, connection_id: int, rates: Sequence[Rate]) -> bool:
    """Whether these are the rates that are kept of a connection."""
    kept = session.scalars(sa.select(PaceBucket).where(PaceBucket.connection_id == connection_id))
    return {(each.kind, each.tokens, each.per_second) for each in kept} == {
        (rate.kind, *_figures(rate)) for rate in rates
    }


def _figures(rate: Rate) -> tuple[float, float]:
    bucket = Bucket.of(rate, datetime.now(UTC))
    return bucket.size, bucket.per_second


def _locked(session: Session, db: Database, connection_id: int, rate: Rate) -> Bucket:
    """The bucket of a rate, made if it was not there, and as the connector now declares it."""
    size, per_second = _figures(rate)
    insert = db.insert(PaceBucket).values(
        connection_id=connection_id,
        kind=rate.kind,
        tokens=size,
        per_second=per_second,
        refilled_at=db.now(),
    )
    ready_at = session.scalars(
        insert.on_conflict_do_update(
            index_elements=[PaceBucket.connection_id, PaceBucket.kind],
            set_={"tokens": size, "per_second": per_second},
        ).returning(PaceBucket.refilled_at)
    ).one()
    return Bucket(size, per_second, ready_at)


def _keep(session: Session, connection_id: int, kind: str, bucket: Bucket) -> None:
    session.execute(
        sa.update(PaceBucket)
        .where(PaceBucket.connection_id == connection_id, PaceBucket.kind == kind)
        .values(refilled_at=bucket.ready_at)
        .execution_options(synchronize_session=False)
    )

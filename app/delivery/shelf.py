"""Where the token of a connection lies, sealed, for all workers: one of them fetches it for all."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ..db import DATABASE_FAULTS, Database, fault_of
from ..errors import ConfigError, Temporary
from ..http import TOTAL_SECONDS, Token
from ..logs import get_logger
from ..models import AccessToken
from ..vault import Vault

LEASE_SECONDS = TOTAL_SECONDS + 5.0
"""A fetch is over by then, or whoever made it is dead."""
WAIT_SECONDS = 0.1
"""Between two looks for what another process fetches."""

log = get_logger(__name__)


class Shelf:
    """The `TokenShelf` of one connection. Commits in transactions of its own; none is open while
    the PMS is asked."""

    def __init__(self, db: Database, vault: Vault, connection_id: int) -> None:
        self._db = db
        self._vault = vault
        self._connection_id = connection_id

    def token(self, refused: str, fetch: Callable[[], Token]) -> Token:
        found: Token | bool | None
        try:
            while not (found := self._find(refused) or self._claim(refused)):
                time.sleep(WAIT_SECONDS)
        except DATABASE_FAULTS:
            raise Temporary("the database did not say which token is in force") from None
        if isinstance(found, Token):
            return found
        fetched: Token | None = None
        try:
            fetched = fetch()
        finally:
            self._put(fetched)
        return fetched

    def _find(self, refused: str) -> Token | None:
        with self._db.reading() as session:
            row = session.get(AccessToken, self._connection_id)
            return self._read(row, refused, self._db.present(session)) if row else None

    def _claim(self, refused: str) -> Token | bool:
        """True if the fetch is this process's to make, False if another is at it, or the token that
        it put there meanwhile."""
        with self._db.transaction() as session:
            row = self._locked(session)
            now = self._db.present(session)
            if kept := self._read(row, refused, now):
                return kept
            if row.fetching_until and row.fetching_until > now:
                return False
            row.fetching_until = now + timedelta(seconds=LEASE_SECONDS)
            return True

    def _put(self, fetched: Token | None) -> None:
        """Keep what was fetched, and let others fetch again."""
        try:
            with self._db.transaction() as session:
                row = self._locked(session)
                row.fetching_until = None
                if fetched:
                    now = self._db.present(session)
                    row.sealed = self._vault.seal({"token": fetched.text})
                    row.renew_at = now + timedelta(seconds=fetched.renew_in)
                    row.ends_at = now + timedelta(seconds=fetched.ends_in)
        except DATABASE_FAULTS as error:
            # It is in force all the same; the others fetch one of their own.
            log.warning("delivery.token_not_kept", error=fault_of(error))

    def _locked(self, session: Session) -> AccessToken:
        insert = self._db.insert(AccessToken).values(connection_id=self._connection_id)
        session.execute(insert.on_conflict_do_nothing())
        return session.get_one(AccessToken, self._connection_id, with_for_update=True)

    def _read(self, row: AccessToken, refused: str, now: datetime) -> Token | None:
        """The token that lies there, if it will do."""
        if not (row.sealed and row.renew_at and row.ends_at) or row.renew_at <= now:
            return None
        try:
            text = self._vault.open(row.sealed)["token"]
        except ConfigError:
            # It was sealed with a key that is no longer known; a new one takes its place.
            return None
        if text == refused:
            return None
        renew_in, ends_in = row.renew_at - now, row.ends_at - now
        return Token(text, renew_in.total_seconds(), ends_in.total_seconds())

"""The connectors of one worker: what it delivers, asks and syncs through, kept by connection."""

import threading

import sqlalchemy as sa

from ..connectors.base import Connector
from ..db import DATABASE_FAULTS, fault_of
from ..logs import get_logger
from ..models import Connection, Pace
from ..runtime import Runtime
from .account_settings import connector_for, host_of
from .connections import find_connection
from .meter import declare, give_back, is_declared

log = get_logger(__name__)


class Accounts:
    """Makes a connection's connector when it is first asked for. Safe to use from threads.

    What it keeps stays right: an account that is changed is a new connection.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._connectors: dict[int, Connector] = {}
        self._lock = threading.Lock()

    def connector(self, connection_id: int) -> Connector | None:
        """The connector of a connection; None if there is no such connection any more."""
        with self._lock:
            if connection_id not in self._connectors:
                made = self._make(connection_id)
                if made is None:
                    return None
                self._connectors[connection_id] = made
            return self._connectors[connection_id]

    def _make(self, connection_id: int) -> Connector | None:
        db = self._runtime.db
        with db.reading() as session:
            connection = session.get(Connection, connection_id)
            if connection is None:
                return None
            made = connector_for(connection, self._runtime)
            pace, host = session.get(Pace, connection_id), host_of(connection)
            is_known = pace is None or pace.host == host
            is_known = is_known and is_declared(session, connection_id, made.rates)
        if not is_known:
            # It was connected by another version, which knew of other rates or of no host.
            with db.transaction() as session:
                session.execute(
                    sa.update(Pace).where(Pace.connection_id == connection_id).values(host=host)
                )
                declare(session, db, connection_id, made.rates)
        return made

    def find_id(self, clinic_id: int) -> int | None:
        """The connection that the clinic has in use; None if it has none."""
        with self._runtime.db.reading() as session:
            connection = find_connection(session, clinic_id)
        return connection.id if connection else None

    def give_back(self, connection_id: int, tokens: int) -> None:
        """Give back requests that were bought for a try and not made. Commits, if it can."""
        if not tokens:
            return
        try:
            give_back(self._runtime.db, connection_id, tokens)
        except DATABASE_FAULTS as error:
            # They come back by themselves with time.
            log.warning("delivery.give_back_failed", error=fault_of(error))

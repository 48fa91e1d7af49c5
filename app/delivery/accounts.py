"""The connectors of one worker: what it delivers, asks and syncs through, kept by connection."""

import threading

from ..connectors.base import Connector
from ..models import Connection
from ..runtime import Runtime
from .account_settings import connector_for
from .connections import find_connection


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
                with self._runtime.db.reading() as session:
                    connection = session.get(Connection, connection_id)
                if connection is None:
                    return None
                self._connectors[connection_id] = connector_for(
                    connection, self._runtime.vault, self._runtime.http
                )
            return self._connectors[connection_id]

    def connector_of_clinic(self, clinic_id: int) -> Connector | None:
        """The connector of the connection that the clinic has in use; None if it has none."""
        with self._runtime.db.reading() as session:
            connection = find_connection(session, clinic_id)
        return self.connector(connection.id) if connection else None

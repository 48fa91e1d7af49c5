"""What follows where a PMS refuses to be read: a refused account pauses its connection."""

from ..connectors.base import Connector
from ..db import Database
from ..errors import ConnectorError, CredentialsRejected
from ..logs import get_logger
from .connections import pause_refused
from .gone import NOWHERE

log = get_logger(__name__)


def pause_if_refused(db: Database, connection_id: int, connector: Connector) -> bool:
    """After a sync or a look-up was refused: sign in, and pause the connection if that is refused
    too; whether it was.

    An account that is let in and merely may not read clients goes on being written to; its sync
    tells what it lacks. Commits; no transaction is open while the PMS is asked.
    """
    with db.reading() as session:
        begun_at = db.present(session)
    try:
        connector.check()
    except CredentialsRejected as error:
        if error.status in NOWHERE:
            # A wrong address, which it was not when it was connected: it may be right again soon.
            return False
        with db.transaction() as session:
            pause_refused(session, connection_id, str(error), begun_at)
        return True
    except ConnectorError as error:
        # Whether it is refused still, the next sync tells.
        log.info("refused.unknown", connection_id=connection_id, error=type(error).__name__)
    return False

"""Whether a record is really gone that a PMS says it does not have."""

from ..connectors.base import Connector
from ..errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..exchanges import recording

NOWHERE = (404, 410)
LOST = "the PMS does not have the record, nor tells of the account, so it may be there yet"


def confirm_gone(connector: Connector, error: ConnectorError) -> ConnectorError:
    """What `error` means once the PMS was asked for what is always there, if it said "gone".

    Where a PMS is being moved or mended, what stands before it may answer 404 to everything, and
    nobody deleted anything.
    """
    if isinstance(error, CredentialsRejected) and error.status in NOWHERE:
        return Temporary(LOST)
    if not (isinstance(error, RecordGone | RecordRejected) and error.status in (None, *NOWHERE)):
        return error
    try:
        # What it answers is no part of this try, and of other clients.
        with recording():
            connector.check()
    except (CredentialsRejected, RateLimited) as failure:
        # Of a wrong address, which it was not when it was connected, connectors say so too.
        return Temporary(LOST) if failure.status in NOWHERE else failure
    except ConnectorError:
        return Temporary(LOST)
    return error


def require_gone(connector: Connector, error: RecordGone) -> None:
    """Raises what else it means, if the record is not certainly gone."""
    meant = confirm_gone(connector, error)
    if meant is not error:
        raise meant from None

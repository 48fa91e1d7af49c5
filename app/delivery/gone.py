"""Whether a record is really gone that a PMS says it does not have."""

from ..connectors.base import Connector
from ..errors import ConnectorError, RecordGone, Temporary

NOWHERE = (404, 410)
LOST = "the PMS finds nothing at all just now, what is always there neither"


def confirm_gone(connector: Connector, error: ConnectorError) -> ConnectorError:
    """What `error` means once the PMS was asked for what is always there, if it said "gone".

    Where a PMS is being moved or mended, what stands before it may answer 404 to everything, and
    nobody deleted anything.
    """
    if not isinstance(error, RecordGone):
        return error
    try:
        connector.check()
    except ConnectorError as failure:
        # Most connectors take that for a wrong address; it was right when it was connected.
        is_lost = isinstance(failure, RecordGone) or failure.status in NOWHERE
        return Temporary(LOST, status=failure.status) if is_lost else failure
    return error

"""`/healthz` (the process is up) and `/readyz` (it can take webhooks), for load balancers."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from .. import schema
from ..batches import Batches
from ..errors import ConfigError
from ..runtime import Runtime
from ..spool import Spool
from .access import open_to_all
from .headers import set_headers

PATIENCE_SECONDS = 2.0

blueprint = Blueprint("health", __name__)
set_headers(blueprint)


class Asker:
    """Asks the database for all who ask at once, in a thread of its own.

    A load balancer asks again and again: were each of its requests to wait for a database that
    hangs, none would be left to answer webhooks. One of each runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        def check(asked: Sequence[None]) -> list[None]:
            schema.check(runtime.db)
            return [*asked]

        self._batches: Batches[None, None] = Batches(check, "ringnote-asker")

    def check(self) -> None:
        """As `schema.check`; raises TimeoutError if the database does not answer in time."""
        left = PATIENCE_SECONDS - self._batches.busy_seconds
        self._batches.bring(None, max(left, 0.0))

    def close(self) -> None:
        self._batches.close()


@blueprint.get("/healthz")
@open_to_all()
def healthz() -> ResponseReturnValue:
    return {"status": "ok"}


@blueprint.get("/readyz")
@open_to_all()
def readyz() -> ResponseReturnValue:
    runtime: Runtime = current_app.extensions["ringnote"]
    try:
        runtime.own(Asker).check()
    except ConfigError as error:
        return {"status": "unready", "reason": str(error)}, 503
    except (SQLAlchemyError, TimeoutError):
        reason = "The database cannot be reached."
        if runtime.spool is None:
            return {"status": "unready", "reason": reason}, 503
        return {"status": "spooling", "reason": reason, "spool": _held(runtime.spool)}
    found: dict[str, Any] = {"status": "ready"}
    if runtime.spool and not runtime.spool.is_empty():
        found["spool"] = _held(runtime.spool)
    return found


def _held(spool: Spool) -> dict[str, int]:
    """What waits in the data folder, and for how many seconds."""
    held = spool.measure()
    return {
        "files": held.files,
        "bytes": held.bytes,
        "seconds": held.seconds,
        "refused_bytes": held.refused,
    }

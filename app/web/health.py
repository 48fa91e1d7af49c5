"""`/healthz` (the process is up) and `/readyz` (it can take webhooks), for load balancers."""

from typing import Any

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from .. import schema
from ..asking import Asker
from ..errors import ConfigError
from ..runtime import Runtime
from ..spool import Spool
from .access import open_to_all
from .headers import set_headers

blueprint = Blueprint("health", __name__)
set_headers(blueprint)


class Readiness(Asker[bool]):
    """Asks whether the schema can be worked on, as `schema.check`. One of each runtime."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(lambda: schema.check(runtime.db), "ringnote-asker")


@blueprint.get("/healthz")
@open_to_all()
def healthz() -> ResponseReturnValue:
    return {"status": "ok"}


@blueprint.get("/readyz")
@open_to_all()
def readyz() -> ResponseReturnValue:
    runtime: Runtime = current_app.extensions["ringnote"]
    try:
        runtime.own(Readiness).ask()
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

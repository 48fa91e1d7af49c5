"""`/healthz` (the process is up) and `/readyz` (it can take webhooks), for load balancers."""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from .. import schema
from ..errors import ConfigError
from ..runtime import Runtime
from .access import open_to_all
from .headers import set_headers

blueprint = Blueprint("health", __name__)
set_headers(blueprint)


@blueprint.get("/healthz")
@open_to_all()
def healthz() -> ResponseReturnValue:
    return {"status": "ok"}


@blueprint.get("/readyz")
@open_to_all()
def readyz() -> ResponseReturnValue:
    runtime: Runtime = current_app.extensions["ringnote"]
    try:
        schema.check(runtime.db)
    except ConfigError as error:
        return {"status": "unready", "reason": str(error)}, 503
    except SQLAlchemyError:
        return {"status": "unready", "reason": "The database cannot be reached."}, 503
    return {"status": "ready"}

"""`/metrics`: is anything stuck, or being lost? For Prometheus, or whatever reads its text."""

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from ..metrics.exposition import expose
from ..runtime import Runtime
from .access import for_monitors
from .headers import set_headers

blueprint = Blueprint("metrics", __name__)
set_headers(blueprint)


@blueprint.get("/metrics")
@for_monitors()
def metrics() -> ResponseReturnValue:
    runtime: Runtime = current_app.extensions["ringnote"]
    text, content_type = expose(runtime, request.headers.get("Accept", ""))
    return text, 200, {"Content-Type": content_type}

"""What is answered where no operation can: to unknown paths, wrong methods, faults and failures."""

from flask import current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, TooManyRequests

from ...logs import get_logger
from ..access import open_to_all
from ..problems import problem
from .operations import api
from .queries import BadQuery

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
ALLOWED = ("GET", "HEAD", "OPTIONS")
RETRY_AFTER_SECONDS = 10

log = get_logger(__name__)


@api.route("/", defaults={"path": ""}, methods=METHODS, strict_slashes=False)
@api.route("/<path:path>", methods=METHODS)
@open_to_all()
def elsewhere(path: str) -> ResponseReturnValue:
    """Whatever is no operation: nothing is there, or something that takes no such method."""
    adapter = current_app.create_url_adapter(request)
    if adapter is None or adapter.match(method="GET")[0] == request.endpoint:
        raise NotFound("There is no such address; openapi.json, in /api/v1, tells those there are.")
    if request.method == "OPTIONS":
        return "", 204, {"Allow": ", ".join(ALLOWED)}
    raise MethodNotAllowed(ALLOWED, "The API only reads: use GET.")


@api.errorhandler(HTTPException)
def refuse(error: HTTPException) -> ResponseReturnValue:
    """Everything that was refused on purpose."""
    more = {}
    if isinstance(error, BadQuery):
        more["errors"] = [{"parameter": name, "detail": detail} for name, detail in error.faults]
    answer, status, headers = problem(
        error.code or 500, error.name, error.description or "", **more
    )
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(ALLOWED)
    return answer, status, headers


@api.errorhandler(OperationalError)
@api.errorhandler(InterfaceError)
def wait(error: OperationalError | InterfaceError) -> ResponseReturnValue:
    """The database is away."""
    log.error("api.database_away", error=type(error).__name__)
    detail = "The database cannot be reached. Ask again in a while."
    answer, status, headers = problem(503, "Service Unavailable", detail)
    return answer, status, headers | {"Retry-After": str(RETRY_AFTER_SECONDS)}


@api.errorhandler(Exception)
def apologise(_error: Exception) -> ResponseReturnValue:
    """The outermost frame: a fault of ours, which the log tells and the answer doesn't."""
    log.exception("api.failed", endpoint=request.endpoint)
    return problem(500, "Internal Server Error", "This is a fault of Ringnote's; its log has more.")

"""Has answers go wrong as the faults in force say: of the pretend PMS, and of fakes in tests.

An application asks `meet` before each request and has `spoil` look at each answer.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, g, jsonify, request

from .faults import Fault, FaultKind, Faults
from .server import DROP_KEY

Refuse = Callable[[int], Response]
"""Makes the PMS's own error answer of a status."""
HTML_ANSWER = "<!doctype html><title>Maintenance</title><p>Back in a moment."
ANY_ERROR = {"error": {"code": "failed", "message": "this cannot be done"}}


def meet(faults: Faults, refuse: Refuse) -> Response | None:
    """What a request is answered that goes wrong at once; None lets it be carried out."""
    g.after = None
    for fault in faults.take(request.method):
        if fault.kind is FaultKind.SLOW:
            faults.dawdle(fault.seconds)
        elif fault.kind.is_after:
            g.after = fault
        else:
            return go_wrong(fault, refuse)
    return None


def spoil(response: Response) -> Response:
    """The answer to what was carried out, as the fault that it met leaves it."""
    fault: Fault | None = g.get("after")
    if fault is None:
        return response
    if fault.kind is FaultKind.HTML:
        return Response(HTML_ANSWER, 200, mimetype="text/html")
    if fault.kind is FaultKind.EMPTY:
        return Response("{}", 200, mimetype="application/json")
    if fault.kind is FaultKind.TRUNCATED:
        whole = response.get_data()
        return Response(whole[: len(whole) // 2], response.status_code, mimetype=response.mimetype)
    return _drop()


def go_wrong(fault: Fault, refuse: Refuse) -> Response:
    """The answer of a fault that keeps a request from being carried out."""
    if fault.kind is FaultKind.RATE_LIMIT:
        response = refuse(429)
        for name, value in (fault.headers or {"Retry-After": f"{fault.seconds:.0f}"}).items():
            response.headers[name] = value
        return response
    if fault.kind is FaultKind.UNAUTHORIZED:
        return refuse(401)
    if fault.kind is FaultKind.REFUSED:
        return refuse(422)
    if fault.kind is FaultKind.ERROR_INSIDE:
        response = refuse(400)
        response = response if response.is_json else jsonify(ANY_ERROR)
        response.status_code = 200
        return response
    if fault.kind is FaultKind.DROP_BEFORE:
        return _drop()
    return refuse(fault.status)


def _drop() -> Response:
    drop: Any = request.environ.get(DROP_KEY)
    if drop is None:
        return Response("this server cannot drop a connection", 500, mimetype="text/plain")
    drop()
    return Response(status=500)

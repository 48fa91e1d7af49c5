"""Has a fake PMS, a Flask application behind the sandbox's server, go wrong when it is told to."""

from collections.abc import Callable

from flask import Flask, Response, g, request

from ..sandbox.faults import Fault, FaultKind, Faults
from ..sandbox.server import DROP_KEY

Refuse = Callable[[int], Response]
"""Makes the PMS's own error answer of a status."""


def make_faulty(
    app: Flask, faults: Faults, refuse: Refuse, spares: Callable[[], bool] = lambda: False
) -> None:
    """Have `app` meet the faults that are switched on, answering errors as `refuse` makes them.

    A request that it `spares`, such as one that signs in, meets none.
    """

    @app.before_request
    def meet() -> Response | None:
        g.after = None
        if spares():
            return None
        for fault in faults.take(request.method):
            if fault.kind is FaultKind.SLOW:
                faults.dawdle(fault.seconds)
            elif fault.kind.is_after:
                g.after = fault
            else:
                return _go_wrong(fault, refuse)
        return None

    @app.after_request
    def spoil(response: Response) -> Response:
        fault: Fault | None = g.get("after")
        if fault is None:
            return response
        if fault.kind is FaultKind.HTML:
            return Response("<!doctype html><p>Maintenance.", 200, mimetype="text/html")
        if fault.kind is FaultKind.TRUNCATED:
            whole = response.get_data()
            half = whole[: len(whole) // 2]
            return Response(half, response.status_code, mimetype=response.mimetype)
        return _drop()


def _go_wrong(fault: Fault, refuse: Refuse) -> Response:
    if fault.kind is FaultKind.DROP_BEFORE:
        return _drop()
    if fault.kind is FaultKind.RATE_LIMIT:
        response = refuse(429)
        response.headers["Retry-After"] = f"{fault.seconds:.0f}"
        return response
    return refuse(401 if fault.kind is FaultKind.UNAUTHORIZED else fault.status)


def _drop() -> Response:
    request.environ[DROP_KEY]()
    return Response(status=500)

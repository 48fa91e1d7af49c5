"""Has a fake PMS, a Flask application behind the sandbox's server, go wrong when it is told to."""

from collections.abc import Callable

from flask import Flask, Response

from ..sandbox.faults import Faults
from ..sandbox.going_wrong import Refuse, meet, spoil


def make_faulty(
    app: Flask, faults: Faults, refuse: Refuse, spares: Callable[[], bool] = lambda: False
) -> None:
    """Have `app` meet the faults that are switched on, answering errors as `refuse` makes them.

    A request that it `spares`, such as one that signs in, meets none.
    """

    @app.before_request
    def meet_faults() -> Response | None:
        return None if spares() else meet(faults, refuse)

    app.after_request(spoil)

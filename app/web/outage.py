"""What the pages answer while the database is away."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from ..logs import get_logger

RETRY_AFTER_SECONDS = 10

log = get_logger(__name__)


def say_of_outage(blueprint: Blueprint) -> None:
    """Have the pages of `blueprint` say in words that the database cannot be reached."""
    for kind in (OperationalError, InterfaceError, TimeoutError):
        blueprint.register_error_handler(kind, _say)


def _say(error: OperationalError | InterfaceError | TimeoutError) -> ResponseReturnValue:
    log.error("pages.database_away", error=type(error).__name__)
    page = render_template("ringnote/door/refused.html", why="database")
    return page, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}

"""The options that narrow listings, the same for calls, conversations, events and entries."""

from datetime import datetime, time, timedelta
from typing import Any

import click

from ..models import EventStatus


class RowId(click.IntRange):
    """The id of an entry, a callback or a retry, as listings tell it."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A whole number; wrong usage for anything else, which may be a callUuid or a reference."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no id: that is a whole number, as listings show.", param, ctx)
        return int(super().convert(number, param, ctx))


ID = RowId(1, 2**63 - 1)


class Moment(click.ParamType[datetime]):
    """A day, or a minute, by the clinic's own clock; as an end, a day is meant as a whole."""

    name = "date"

    def __init__(self, *, is_end: bool = False) -> None:
        self.is_end = is_end

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """A naive datetime; wrong usage if it is no ISO 8601, or of no year that can be meant."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-11-20.", param, ctx)
        if moment.tzinfo or not 2000 <= moment.year < 2100:
            self.fail(f"{value!r} is no time of the clinic's own clock.", param, ctx)
        is_day = moment.time() == time() and ":" not in value
        return moment + timedelta(days=1) if self.is_end and is_day else moment


clinic_option = click.option("--clinic", help="Of this clinic only: its id or name.")
event_status_option = click.option(
    "--status",
    type=click.Choice([status.value for status in EventStatus]),
    help="Only those that became this.",
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)
since_option = click.option(
    "--since",
    type=Moment(),
    help="From this day (2026-11-20) or minute (2026-11-20T14:30) on, by the clinic's clock.",
)
until_option = click.option(
    "--until",
    "before",
    type=Moment(is_end=True),
    help="To the end of this day, or up to this minute, by the clinic's clock.",
)


def none_of(what: str, otherwise: str, *narrowed_by: object) -> str:
    """What to say of an empty listing: that nothing fits, or what to do while nothing has come."""
    if any(narrowed_by):
        return f"No {what} fits; leave out an option to see the others."
    return f"No {what} has come yet{otherwise}."

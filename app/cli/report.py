"""`ringnote report`: a clinic's day reckoned up."""

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from ..ledger.close_out import close_day
from ..ledger.close_out_text import mail_text, subject_line
from ..runtime import Runtime
from .context import get_clinic, pass_runtime
from .options import Moment
from .output import as_called, emit, json_option, printable


@click.group()
def report() -> None:
    """Where every call and text of a day stands, with nothing left out."""


@report.command()
@click.argument("clinic")
@click.option("--day", "at", type=Moment(), help="Which day (2026-11-20); today, if not given.")
@click.option("--mail", is_flag=True, help="Print it as a mail's subject and text.")
@json_option
@pass_runtime
def day(runtime: Runtime, clinic: str, at: datetime | None, mail: bool, as_json: bool) -> None:
    """Reckon up one day by the clinic's clock.

    Each call and each conversation of the day stands under exactly one disposition. Webhooks that
    could not be read or are of an unknown type are counted apart; nothing is unexplained.
    """
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        today = runtime.clock().astimezone(ZoneInfo(found.timezone)).date()
        told = close_day(session, found, at.date() if at else today)
    text = printable(as_called(mail_text(told)))
    if mail:
        value = {"subject": printable(subject_line(told)), "text": text}
        emit(value, as_json, lambda: click.echo(f"Subject: {value['subject']}\n\n{text}", nl=False))
    else:
        emit(told, as_json, lambda: click.echo(text, nl=False))

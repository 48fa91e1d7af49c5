"""`ringnote housekeeping`: purges now what workers purge by and by."""

import click

from ..errors import InputError
from ..keeping.house import keep_house
from ..keeping.turn import take_turn
from ..runtime import Runtime
from .context import pass_runtime
from .output import emit, json_option

NAMES = {
    "calls": "calls",
    "transcripts": "days of texts",
    "events": "webhooks",
    "frozen": "calls and days of texts that stay as they are, without their webhooks",
    "attempts": "tries to write to the PMS",
    "partitions": "months of webhooks, whole",
    "lookups": "answered look-ups",
    "retries": "retries of many entries",
    "retried": "notes of how an entry of those had stood",
    "rules": "rules for numbers that were revoked or ran out",
    "tokens": "tokens and webhook URLs that ran out",
    "sessions": "ended sessions",
    "links": "sign-in links that ran out",
    "tries": "failed sign-ins that count no more",
    "brought_back": "entries that had missed a change of the connection, and go on",
}


@click.command()
@json_option
@pass_runtime
def housekeeping(runtime: Runtime, as_json: bool) -> None:
    """Purge what is older than the settings RINGNOTE_KEEP_…_DAYS say, and tell what went.

    Workers do so every hour; this does it now, in the same small steps. What is unsettled, waits
    for a match or is on its way to the PMS keeps its webhooks. What stands in the PMS stays there.
    """
    turn = take_turn(runtime.db, lambda: False, at_once=True)
    if turn is None:
        raise InputError("A worker is at it just now; see: ringnote check")
    purged = keep_house(runtime, turn)
    if purged is None:
        raise InputError("A worker has taken over, and goes on with it.")
    emit(purged, as_json, lambda: _show(purged))


def _show(purged: dict[str, int]) -> None:
    if not purged:
        click.echo("Nothing is older than it is to be kept.")
    for what, count in purged.items():
        click.echo(f"{count:>8}  {NAMES[what]}")

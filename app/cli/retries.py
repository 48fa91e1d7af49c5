"""`ringnote entries retries`: how far the retries of many entries have come."""

import shlex
from collections.abc import Mapping
from typing import Any

import click

from ..delivery.retries_told import tell_retries, tell_retry
from ..errors import InputError
from ..runtime import Runtime
from .context import pass_runtime
from .options import ID, limit_option
from .output import emit, emit_listing, json_option, local, print_fields, printable


@click.command()
@click.argument("retry_id", type=ID, required=False, metavar="[ID]")
@limit_option
@json_option
@pass_runtime
def retries(runtime: Runtime, retry_id: int | None, limit: int, as_json: bool) -> None:
    """List the retries of many entries, the newest first, or show one: done, left, failed again."""
    if retry_id is None:
        with runtime.db.reading() as session:
            listed = tell_retries(session, limit + 1)
        emit_listing(listed, limit, as_json, _row, "Nothing was retried by a filter yet.")
        return
    with runtime.db.reading() as session:
        told = tell_retry(session, retry_id)
    if told is None:
        raise InputError(f"There is no retry {retry_id}; see: ringnote entries retries")
    one: Mapping[str, Any] = told
    emit(one, as_json, lambda: _show_one(one))


def _row(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "id": told["id"],
        "asked": local(told["asked_at"], "UTC"),
        "by": told["by"],
        "of": _chosen_in_words(told),
        **_counts(told),
        "cancelled by": told["cancelled_by"],
    }


def _counts(told: Mapping[str, Any]) -> dict[str, object]:
    names = {"done": "done", "left": "left", "failed again": "failed", "put back": "put_back"}
    return {name: f"{told[key]:,}" for name, key in names.items()}


def _chosen_in_words(told: Mapping[str, Any]) -> str:
    """The options by which they were chosen, as they were given."""
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(value)}"
        for name, value in sorted(told["chosen_by"].items())
    )


def _not_queued(count: int) -> str:
    # Whether they were left out or not come to is kept nowhere; those that failed still are found
    # by the same filter.
    said = "they had moved on, or the command was ended before their turn"
    return f"{count:,}: {said}" if count else ""


def _show_one(told: Mapping[str, Any]) -> None:
    print_fields(
        {
            "retry": told["id"],
            "asked": told["asked_at"],
            "by": told["by"],
            "of": _chosen_in_words(told),
            "rate": f"{told['rate']:,} a minute" if told["rate"] else "all at once",
            "counted": f"{told['count']:,}",
            "not queued": _not_queued(told["count"] - told["queued"]),
            **_counts(told),
            "the last due": told["last_due_at"],
            "cancelled": told["cancelled_at"],
            "cancelled by": told["cancelled_by"],
        }
    )
    for what, reasons in (("failed again", told["failed_for"]), ("paused", told["paused"])):
        for each in reasons:
            click.echo(printable(f"{each['count']:,} {what}: {each['reason'] or 'by a person'}"))

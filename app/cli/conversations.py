"""`ringnote conversations`: texts by day and client, and the whole story of one conversation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from ..errors import InputError
from ..ledger.listings import list_conversations
from ..ledger.trace import tell_conversation
from ..runtime import Runtime
from .context import find_clinics, pass_runtime
from .options import clinic_option, limit_option, none_of, since_option, until_option
from .output import emit, emit_listing, json_option, local
from .telling import show_story


@click.group()
def conversations() -> None:
    """List conversations by text, and tell the whole story of one."""


@conversations.command("list")
@clinic_option
@since_option
@until_option
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime,
    clinic: str | None,
    since: datetime | None,
    before: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the days of conversations, the newest first, and where their transcripts stand."""
    with runtime.db.reading() as session:
        told = list_conversations(
            session,
            find_clinics(session, clinic),
            since=since,
            before=before,
            limit=limit + 1,
        )
    hint = "; to see whether webhooks arrive: ringnote events list"
    empty = none_of("text", hint, clinic, since, before)
    emit_listing(told, limit, as_json, _row, empty)


def _row(each: Mapping[str, Any]) -> dict[str, object]:
    match = each["match"] or {}
    return {
        "last text": local(each["at"], each["clinic"]["timezone"]),
        "clinic": each["clinic"]["name"],
        "number": each["number"],
        "texts": each["title"],
        "client": match.get("name") or match.get("client"),
        "stands": each["standing"],
        "conversationID": each["key"],
    }


@conversations.command()
@click.argument("key", metavar="CONVERSATION_ID")
@clinic_option
@json_option
@pass_runtime
def show(runtime: Runtime, key: str, clinic: str | None, as_json: bool) -> None:
    """Tell the whole story of a conversation, day by day."""
    with runtime.db.reading() as session:
        windows = tell_conversation(session, key, find_clinics(session, clinic))
    if not windows:
        raise InputError(f"There is no conversation {key}; see: ringnote conversations list")
    if len(clinics := {window["clinic"]["name"] for window in windows}) > 1:
        raise InputError(
            f"{len(clinics)} clinics had a conversation {key}; name one with --clinic:"
            f" {', '.join(sorted(clinics))}"
        )
    told = {"conversation": key, "windows": windows}

    def tell() -> None:
        for number, window in enumerate(windows):
            click.echo("\n" if number else "", nl=False)
            show_story(window)

    emit(told, as_json, tell)

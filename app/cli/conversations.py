"""`ringnote conversations`: texts by day and client, and the whole story of one conversation."""

import click

from ..errors import InputError
from ..ledger.listings import list_conversations
from ..ledger.trace import tell_conversation
from ..runtime import Runtime
from .calls import clinic_option, limit_option
from .context import find_clinic_id, pass_runtime
from .output import emit, json_option, print_table
from .telling import show_story


@click.group()
def conversations() -> None:
    """List conversations by text, and tell the whole story of one."""


@conversations.command("list")
@clinic_option
@limit_option
@json_option
@pass_runtime
def list_(runtime: Runtime, clinic: str | None, limit: int, as_json: bool) -> None:
    """List the days of conversations, the newest first, and where their transcripts stand."""
    with runtime.db.reading() as session:
        told = list_conversations(session, find_clinic_id(session, clinic), limit=limit)
    rows = [
        (
            each["at"],
            each["clinic"]["name"],
            each["number"],
            each["title"],
            (each["match"] or {}).get("name", ""),
            each["standing"],
            each["key"],
        )
        for each in told
    ]
    columns = ("last text (UTC)", "clinic", "number", "texts", "client", "stands", "conversationID")
    emit(told, as_json, lambda: print_table(columns, rows, empty="No text has come yet."))


@conversations.command()
@click.argument("key", metavar="CONVERSATION_ID")
@clinic_option
@json_option
@pass_runtime
def show(runtime: Runtime, key: str, clinic: str | None, as_json: bool) -> None:
    """Tell the whole story of a conversation, day by day."""
    with runtime.db.reading() as session:
        windows = tell_conversation(session, key, find_clinic_id(session, clinic))
    if not windows:
        raise InputError(f"There is no conversation {key}; see: ringnote conversations list")
    told = {"conversation": key, "windows": windows}

    def tell() -> None:
        for window in windows:
            show_story(window)

    emit(told, as_json, tell)

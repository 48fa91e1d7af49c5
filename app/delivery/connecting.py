"""A clinic is connected to its PMS, as a person asks for it by command or on the console."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from ..connectors.base import Setting
from ..errors import ConnectorError, InputError
from ..http import Http
from ..models import Clinic, WhenInDoubt
from ..runtime import Runtime
from .account_settings import as_option, make_connector
from .connection_trail import keep_act
from .connections import count_foreign, find_connection, open_connection

FOREIGN = (
    "The clinic was at another account, whose clients' ids {count:,} entries that are due bear;"
    " here they may be others'. {how}: of today, to have what happens from now on written"
    " only; of an earlier day, if it is the same PMS at another address"
)
MEANWHILE = "The clinic's connection was changed meanwhile; look at it again, then decide anew."


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account as a person gives it; `since` in UTC."""

    connector: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    is_watch_only: bool = False
    since: datetime | None = None
    when_in_doubt: WhenInDoubt = WhenInDoubt.ASK


@dataclass(frozen=True, slots=True)
class Asking:
    """By whom and how it is asked for: in what words a missing setting and a day are to be given,
    and the id of the connection that it takes the place of, where the person saw one (0 where they
    saw none)."""

    by: str
    how: Callable[[Setting], str] = as_option
    how_since: str = "Give --since"
    seen: int | None = None


def connect(
    runtime: Runtime, http: Http, clinic_id: int, wanted: Wanted, asking: Asking
) -> tuple[int, str]:
    """Ask the account who it is, then make it the clinic's; the connection's id, and why signing in
    failed, '' if it did not.

    Raises InputError or ConfigError where it cannot be connected so. Commits; the PMS is asked
    before, by `http`, outside of any transaction.
    """
    account_id, trouble = _ask_account(http, wanted, asking.how)
    with runtime.db.transaction() as session:
        # Two people at once take turns here: only one connection can be in use.
        session.get_one(Clinic, clinic_id, with_for_update={"key_share": True})
        former = find_connection(session, clinic_id)
        if asking.seen is not None and (former.id if former else 0) != asking.seen:
            raise InputError(MEANWHILE)
        connection = open_connection(
            session,
            runtime,
            clinic_id,
            wanted.connector,
            wanted.settings,
            wanted.secrets,
            is_watch_only=wanted.is_watch_only,
            since=wanted.since,
            when_in_doubt=wanted.when_in_doubt,
            account_id=account_id,
            now=runtime.clock(),
        )
        keep_act(session, connection, "connect", asking.by, runtime.clock())
        if wanted.since is None and (count := count_foreign(session, connection)):
            raise InputError(FOREIGN.format(count=count, how=asking.how_since))
        return connection.id, trouble


def read_since(text: str, timezone: str) -> datetime:
    """When a day of the clinic's own calendar begins, in UTC. Raises InputError for no day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no date; write it as 2026-11-20, a day of the clinic's own calendar"
        ) from None
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def _ask_account(http: Http, wanted: Wanted, how: Callable[[Setting], str]) -> tuple[str, str]:
    """The PMS's own id of the account, and why it could not be signed in to; '' for neither."""
    made = make_connector(http, wanted.connector, wanted.settings, wanted.secrets, how=how)
    try:
        return made.check().identity, ""
    except ConnectorError as error:
        return "", str(error)

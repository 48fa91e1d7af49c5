"""A clinic's connection tried out at its PMS, for `ringnote connection test` and the console."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..connectors import CONNECTORS
from ..connectors.base import Connector
from ..connectors.trial_reading import try_reading
from ..connectors.trial_steps import Step
from ..connectors.trial_writing import try_writing
from ..errors import (
    ConnectorError,
    CredentialsRejected,
    InputError,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..http import Http
from ..models import Clinic, Connection, ConnectionState
from ..runtime import Runtime
from .account_settings import connector_for
from .connection_trail import keep_act
from .connections import get_connection, learn_account, pause_refused, resume_if_refused
from .gone import NOWHERE

ADVICE: dict[type[ConnectorError], str] = {
    CredentialsRejected: "the account may not do this: give it the right in the PMS"
    " ({doc} says where)",
    RecordGone: "there is no such thing: look at the address and at the client's id",
    RecordRejected: "the PMS does not take this: look at the client's id, and at {doc}",
    RateLimited: "wait, then test again",
    OutcomeUnknown: "look on the client's record for a trial to remove by hand",
    Temporary: "test again later; if it stays so, look at {doc}",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: whose account it is, what it may not do, and each step that was taken, whose
    `ok` is None for what was left out."""

    account: str
    missing: tuple[str, ...]
    state: ConnectionState
    has_resumed: bool
    """It was paused, since it had been refused."""
    steps: tuple[dict[str, Any], ...]

    @property
    def is_fine(self) -> bool:
        return not self.missing and all(each["ok"] is not False for each in self.steps)


def try_connection(
    runtime: Runtime,
    clinic: Clinic,
    connection: Connection,
    client_id: str | None,
    by: str,
    http: Http | None = None,
) -> Trial:
    """Sign in and read clients and, on a client that is named, write a note and a task, change,
    complete and remove them; asked by `http` where that is not the runtime's.

    A connection whose account is refused is paused; one that was paused so is resumed once it is
    let in, which is kept as done `by` whoever had it tried. Raises InputError where nothing may be
    written, ConfigError if no connector can be made of it, and ConnectorError if it cannot be
    signed in to. Commits; no transaction is open while the PMS is asked.
    """
    if client_id and connection.is_watch_only:
        raise InputError(
            f"{clinic.name} is connected to watch only: nothing is written to its PMS."
        )
    connector = connector_for(connection, runtime, http)
    with runtime.db.reading() as session:
        begun_at = runtime.db.present(session)
    try:
        result = connector.check()
    except CredentialsRejected as error:
        if error.status in NOWHERE:
            raise
        with runtime.db.transaction() as session:
            pause_refused(session, connection.id, str(error), begun_at)
        raise
    with runtime.db.transaction() as session:
        learn_account(session, connection.id, result.identity)
        has_resumed = resume_if_refused(session, runtime.db, connection.id)
        held = get_connection(session, connection.id)
        if has_resumed:
            keep_act(session, held, "resume", by, runtime.clock())
        state = held.state
    steps = tuple(_try(connector, clinic.region, client_id, runtime.clock()))
    return Trial(result.account, result.missing, state, has_resumed, steps)


def _try(
    connector: Connector, region: str, client_id: str | None, now: datetime
) -> Iterator[dict[str, Any]]:
    for step in try_reading(connector, region, None, may_be_empty=True):
        yield _told(connector, step)
    if client_id:
        for step in try_writing(connector, client_id, now):
            yield _told(connector, step)


def _told(connector: Connector, step: Step) -> dict[str, Any]:
    said, trouble = step.said, step.trouble
    if trouble:
        advice = next(text for kind, text in ADVICE.items() if isinstance(trouble, kind))
        package = CONNECTORS.package_of(connector.name)
        doc = f"the guide of {package}" if package else f"docs/connectors/{connector.name}.md"
        said = f"{said}; {advice.format(doc=doc)}"
    return {"step": step.name, "ok": step.is_fine, "said": said}

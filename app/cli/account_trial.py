"""What `ringnote connection test` tries at a clinic's PMS, and how it is told."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from ..connectors import CONNECTORS
from ..connectors.base import Connector
from ..connectors.trial_reading import try_reading
from ..connectors.trial_steps import Step
from ..connectors.trial_writing import try_writing
from ..errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from .output import printable

ADVICE: dict[type[ConnectorError], str] = {
    CredentialsRejected: "the account may not do this: give it the right in the PMS"
    " ({doc} says where)",
    RecordGone: "there is no such thing: look at the address and at the client's id",
    RecordRejected: "the PMS does not take this: look at the client's id, and at {doc}",
    RateLimited: "wait, then test again",
    OutcomeUnknown: "look on the client's record for a trial to remove by hand",
    Temporary: "test again later; if it stays so, look at {doc}",
}


def try_account(
    connector: Connector, region: str, client_id: str | None, now: datetime
) -> Iterator[dict[str, Any]]:
    """Each step that was taken: read clients and, on a client that is named, write a note and a
    task, change, complete and remove them. `ok` is None for what was left out."""
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


def show_trial(account: str, steps: Iterable[dict[str, Any]]) -> None:
    click.echo(f"Signed in to {account}.")
    for each in steps:
        mark = {True: "fine", False: "WRONG", None: "-"}[each["ok"]]
        click.echo(printable(f"  {mark:<5}  {each['step']}: {each['said']}"))

"""A pretend clinic's phone, for tests that tell a call or a conversation as a story."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from fakes import tools
from ringnote.clock import Clock, utc_now
from ringnote.connectors.base import Connector
from ringnote.delivery import outbox
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.keeping.house import keep_house
from ringnote.keeping.turn import take_turn
from ringnote.ledger.replay import Span, carry_out, make_plan
from ringnote.ledger.settle import settle_due
from ringnote.models import Call, Callback, Clinic, DueMark, Entry, Transcript
from ringnote.runtime import Runtime
from ringnote.telephony.ingest import Receipt, take
from ringnote.telephony.tokens import issue_webhook_token

CALLER = "+12125550142"
LINE = "+12125550100"


@dataclass
class Phone:
    """Posts events as the phone system would, from an hour ago on, a few seconds apart."""

    runtime: Runtime
    clinic: Clinic
    at: datetime | None = None
    token: str = ""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        if self.at is None:
            self.at = utc_now() - timedelta(hours=1)
            local = self.at.astimezone(ZoneInfo(self.clinic.timezone))
            if (local.hour, local.minute) == (23, 59):
                # Else some of what is told of one day would be of the next.
                self.at -= timedelta(minutes=1)
        with self.runtime.db.transaction() as session:
            self.token = issue_webhook_token(session, self.clinic.id, utc_now())

    def post(self, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Receipt:
        self.at += timedelta(seconds=3)
        return take(self.runtime, self.token, body, content_type, self.at)

    def event(self, event_type: str, call: str, **fields: str) -> Receipt:
        return self.post(self.body(event_type, call, **fields))

    def body(self, event_type: str, call: str, **fields: str) -> bytes:
        """The urlencoded body of a call event."""
        known = {
            "eventType": event_type,
            "containerId": self.clinic.container_id,
            "tenantId": self.clinic.tenant_id,
            "callUuid": call,
        }
        return urlencode(known | fields).encode()

    def text(self, text: str, *, inbound: bool = True, client: str = CALLER) -> Receipt:
        """A text of conversation c-1, from or to the client."""
        body = {
            "eventType": "inboundMessage" if inbound else "outboundMessage",
            "containerID": self.clinic.container_id,
            "tenantID": self.clinic.tenant_id,
            "conversationID": "c-1",
            "fromNumber": client if inbound else LINE,
            "toNumber": LINE if inbound else client,
            "messageText": text,
        }
        return self.post(json.dumps(body).encode(), "application/json")

    def rings(self, call: str, caller: str = CALLER, name: str = "DOE JANE") -> None:
        self.event(
            "InboundCall",
            call,
            eventTarget="phoneNumber",
            didNumber=LINE,
            didDescription="Main",
            callerIdNum=caller,
            callerIdName=name,
        )
        self.event(
            "ringAttempt", call, eventTarget="extension", extNumber="101", callerIdNum=caller
        )

    def answered(self, call: str, caller: str = CALLER) -> None:
        self.rings(call, caller)
        self.answer(call, caller)
        self.event("HangupCall", call, extNumber="101", extName="Amy", callerIdNum=caller)

    def answer(self, call: str, caller: str = CALLER) -> None:
        self.event(
            "ExtensionAnswered",
            call,
            callerIdNum=caller,
            extensionNumber="101",
            extensionName="Amy",
        )

    def missed(self, call: str, caller: str = CALLER) -> None:
        self.rings(call, caller)
        self.event("HangupCall", call, extNumber="", extName="", callerIdNum=caller)

    def dials(self, call: str, number: str = CALLER) -> None:
        self.event("outboundCall", call, extNumber="101", extName="Amy", numberDialed=number)


def settle(runtime: Runtime) -> None:
    """Settle all that is due."""
    while settle_due(runtime):
        pass


def replay(runtime: Runtime, span: Span, *, by_newest: bool = False) -> None:
    """Read these webhooks anew, and have all that they are of settled now."""
    with runtime.db.reading() as session:
        plan = make_plan(session, span)
    for _ in carry_out(runtime.db, plan, None, by_newest=by_newest):
        pass


def write(runtime: Runtime, pms: Connector, clock: Clock = utc_now) -> None:
    """Write all that is due to this PMS."""
    while work := outbox.claim(runtime.db, 10):
        ended = [(each, deliver(each, pms, tools(runtime.db, clock=clock))) for each in work]
        finish_all(runtime.db, ended)


def purge(runtime: Runtime) -> dict[str, int] | None:
    """Purge all that has its age, without pauses; what went, None if another is at it."""
    turn = take_turn(runtime.db, lambda: False, at_once=True)
    return keep_house(runtime, turn) if turn else None


def moments(told: Any) -> Iterator[str | None]:
    """Every time in what a command told as JSON."""
    if isinstance(told, list):
        yield from itertools.chain.from_iterable(map(moments, told))
    elif isinstance(told, dict):
        for name, value in told.items():
            is_time = name == "at" or name.endswith("_at")
            yield from [value] if is_time else moments(value)


def calls(runtime: Runtime) -> list[Call]:
    return _all(runtime, Call)


def transcripts(runtime: Runtime) -> list[Transcript]:
    return _all(runtime, Transcript)


def entries(runtime: Runtime) -> list[Entry]:
    return _all(runtime, Entry)


def callbacks(runtime: Runtime) -> list[Callback]:
    return _all(runtime, Callback)


def marks(runtime: Runtime) -> list[DueMark]:
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(DueMark)))


def _all(runtime: Runtime, kind: type) -> list:
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(kind).order_by(kind.id)))

"""A pretend phone system: believable calls and texts of a clinic's day, as the webhooks they send.

`play` posts what is planned here. Every body is one of the documented eleven, calls urlencoded and
texts JSON. The same seed plans the same day.
"""

import json
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from .clients import spelled
from .people import OWN_LINE, STRANGERS, Caller, invent_number

FORM = "application/x-www-form-urlencoded"
QUEUE = "700"
RING_GROUP = "600"
TEXTS = (
    (
        ("in", "Hi, can we move {animal}'s appointment to Thursday?"),
        ("out", "Of course. Would 3:30 pm do?"),
        ("in", "Perfect, thank you 🐾"),
    ),
    (
        ("out", "{animal} is awake and doing well. You can come any time after 4."),
        ("in", "What a relief! See you at 4:15 ❤️"),
    ),
    (
        ("in", "Is {animal}'s prescription ready?"),
        ("in", "ok if my sister picks it up?"),
        ("out", "Yes to both: it is at the front desk."),
    ),
    (("in", "We're running 10 minutes late,\nsorry!"), ("out", "No problem, drive safely.")),
)


@dataclass(frozen=True, slots=True)
class Office:
    """The clinic as its phone system has it set up."""

    container_id: str
    tenant_id: str = ""
    line: str = OWN_LINE
    line_name: str = "Main line"
    extensions: tuple[tuple[str, str], ...] = (
        ("101", "Dana Front Desk"),
        ("102", "Sam Front Desk"),
        ("105", "Dr Okafor"),
    )


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook: when it is sent, in seconds after its call began, and what."""

    at: float
    event_type: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call, or one exchange of texts. `after` is how many seconds after its story began."""

    story: str
    after: float
    webhooks: tuple[Webhook, ...]


@dataclass
class PhoneSystem:
    """Plans the calls of one clinic. `clients` call most; `couple` share a number."""

    office: Office
    clients: Sequence[Caller]
    seed: int = 1
    couple: Caller | None = None
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def calls(self) -> Iterator[PlannedCall]:
        """Calls without end: one of each story first, then as a day brings them."""
        stories: dict[Callable[[], list[PlannedCall]], int] = {
            self.answered: 30,
            self.missed_twice_and_called_back: 8,
            self.texts: 18,
            self.queue_then_voicemail: 14,
            self.transferred: 10,
            self.stranger: 6,
            self.placed: 12,
            self.withheld: 4,
            self.shared_number: 4 if self.couple else 0,
            self.missed: 8,
        }
        first = deque(story for story, weight in stories.items() if weight)
        while True:
            story = first.popleft() if first else self._draw(stories)
            yield from story()

    def answered(self) -> list[PlannedCall]:
        return [self._answered(self._client(), "answered")]

    def shared_number(self) -> list[PlannedCall]:
        return [self._answered(self.couple or self._client(), "shared number")]

    def transferred(self) -> list[PlannedCall]:
        call = self._call(self._client(), "transferred")
        (first, second) = self.dice.sample(self.office.extensions, 2)
        call.arrives().enters_ring_group(2).rings(3, first).is_answered(9, first)
        call.rings(55, second).is_answered(61, second)
        return [call.ends(self.dice.uniform(150, 400), second)]

    def queue_then_voicemail(self) -> list[PlannedCall]:
        return [self._voicemail(self._client(), "queue then voicemail")]

    def stranger(self) -> list[PlannedCall]:
        number = invent_number(self.dice.choice(STRANGERS))
        return [self._voicemail(Caller(number, "WIRELESS CALLER"), "stranger")]

    def withheld(self) -> list[PlannedCall]:
        return [self._answered(Caller("Anonymous", "Anonymous"), "withheld number")]

    def missed(self) -> list[PlannedCall]:
        return [self._missed(self._client(), "missed")]

    def missed_twice_and_called_back(self) -> list[PlannedCall]:
        caller, story = self._client(), "missed twice and called back"
        back = self._call(caller, story, after=self.dice.uniform(500, 1500))
        return [
            self._missed(caller, story),
            self._missed(caller, story, after=self.dice.uniform(120, 260)),
            back.is_placed(self.office.extensions[0]),
        ]

    def placed(self) -> list[PlannedCall]:
        call = self._call(self._client(), "outbound")
        return [call.is_placed(self.dice.choice(self.office.extensions))]

    def texts(self) -> list[PlannedCall]:
        caller, at = self._client(), 0.0
        webhooks = []
        for way, text in self.dice.choice(TEXTS):
            webhooks.append(self._text(at, caller, way == "in", text.format(animal=caller.animal)))
            at += self.dice.uniform(20, 150)
        return [PlannedCall("texts", 0.0, tuple(webhooks))]

    def _answered(self, caller: Caller, story: str) -> PlannedCall:
        call = self._call(caller, story)
        who = self.dice.choice(self.office.extensions)
        call.arrives()
        if self.dice.random() < 0.5:
            call.enters_ring_group(2)
            for number, name in self.office.extensions:
                call.rings(3, (number, name))
        else:
            call.rings(2, who)
        return call.is_answered(self.dice.uniform(5, 20), who).ends(self.dice.uniform(50, 420), who)

    def _voicemail(self, caller: Caller, story: str) -> PlannedCall:
        call = self._call(caller, story).arrives().enters_queue(2)
        for each in self.office.extensions[:2]:
            call.rings(4, each)
        until = self.dice.uniform(60, 120)
        return call.leaves_voicemail(until).ends(until + 0.4)

    def _missed(self, caller: Caller, story: str, after: float = 0.0) -> PlannedCall:
        call = self._call(caller, story, after).arrives()
        if self.dice.random() < 0.6:
            call.enters_ring_group(2).rings(3, self.office.extensions[0])
        else:
            call.enters_queue(2)
        return call.ends(self.dice.uniform(12, 45))

    def _client(self) -> Caller:
        return self.dice.choice(self.clients)

    def _draw(
        self, stories: Mapping[Callable[[], list[PlannedCall]], int]
    ) -> Callable[[], list[PlannedCall]]:
        return self.dice.choices(list(stories), list(stories.values()))[0]

    def _call(self, caller: Caller, story: str, after: float = 0.0) -> "_Call":
        call_uuid = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        return _Call(self.office, caller, story, after, call_uuid, self._spelled(caller.number))

    def _text(self, at: float, caller: Caller, is_inbound: bool, text: str) -> Webhook:
        client, line = self._spelled(caller.number), spelled(self.office.line)[0]
        conversation = f"{self.office.container_id}/{self.office.tenant_id}/{line}/{caller.number}"
        event_type = "inboundMessage" if is_inbound else "outboundMessage"
        fields = {
            "eventType": event_type,
            "toNumber": line if is_inbound else client,
            "fromNumber": client if is_inbound else line,
            "containerID": self.office.container_id,
            "tenantID": self.office.tenant_id or "0",
            "conversationID": str(uuid.uuid5(uuid.NAMESPACE_URL, conversation)),
            "messageText": text,
        }
        return Webhook(at, event_type, "application/json", json.dumps(fields).encode())

    def _spelled(self, number: str) -> str:
        digits, _ = spelled(number)
        return self.dice.choice((digits[1:], digits)) if digits else number


class _Call:
    """One call in the making: each word adds the webhook that the phone system sends for it."""

    def __init__(
        self, office: Office, caller: Caller, story: str, after: float, call_uuid: str, number: str
    ) -> None:
        self._office = office
        self._caller = {"callerIdNum": number, "callerIdName": caller.name}
        self._number = number
        self._story = story
        self._after = after
        self._call_uuid = call_uuid
        self._webhooks: list[Webhook] = []
        self._has_answered = False

    def arrives(self) -> "_Call":
        return self._add(
            0.0,
            "InboundCall",
            eventTarget="phoneNumber",
            didNumber=spelled(self._office.line)[0],
            didDescription=self._office.line_name,
            didGroup="",
            cidPrefix="",
            **self._caller,
        )

    def enters_ring_group(self, at: float) -> "_Call":
        who = {"rgNumber": RING_GROUP, "callerIdNum": self._number}
        return self._add(at, "ringAttempt", eventTarget="ringGroup", **who)

    def enters_queue(self, at: float) -> "_Call":
        who = {"queueNumber": QUEUE, "callerIdNum": self._number}
        return self._add(at, "queueEntered", eventTarget="queue", **who)

    def rings(self, at: float, extension: tuple[str, str]) -> "_Call":
        who = {"extNumber": extension[0], "extName": extension[1], "callerIdNum": self._number}
        return self._add(at, "ringAttempt", eventTarget="extension", **who)

    def is_answered(self, at: float, extension: tuple[str, str]) -> "_Call":
        self._has_answered = True
        who = {"extensionNumber": extension[0], "extensionName": extension[1]}
        return self._add(at, "ExtensionAnswered", **who, **self._caller)

    def leaves_voicemail(self, at: float) -> "_Call":
        return self._add(at, "voicemailHangup", extNumber="", extName="", **self._caller)

    def ends(self, at: float, extension: tuple[str, str] = ("", "")) -> PlannedCall:
        who = {"extNumber": extension[0], "extName": extension[1], **self._caller}
        if self._has_answered:
            self._add(at, "inboundCallCompleted", **who)
        self._add(at + 0.2, "HangupCall", **who)
        return self._planned()

    def is_placed(self, extension: tuple[str, str]) -> PlannedCall:
        who = {"extNumber": extension[0], "extName": extension[1]}
        self._add(0.0, "outboundCall", **who, numberDialed=self._number)
        return self._planned()

    def _planned(self) -> PlannedCall:
        return PlannedCall(self._story, self._after, tuple(self._webhooks))

    def _add(self, at: float, event_type: str, **fields: str) -> "_Call":
        everywhere = {
            "eventType": event_type,
            "containerId": self._office.container_id,
            "tenantId": self._office.tenant_id or "0",
            "callUuid": self._call_uuid,
        }
        body = urlencode({**everywhere, **fields}).encode()
        self._webhooks.append(Webhook(at, event_type, FORM, body))
        return self

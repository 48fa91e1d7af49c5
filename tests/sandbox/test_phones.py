import json
from collections import Counter
from itertools import islice
from urllib.parse import parse_qsl

import pytest

from ringnote.sandbox.people import OWN_LINE, Caller, callers_among, invent_clients
from ringnote.sandbox.phones import FORM, Office, PhoneSystem, PlannedCall, Webhook

CALLERS = [Caller("+12125550142", "PARK ADA", "Luna"), Caller("+12125550143", "ITO BEN")]
COUPLE = Caller("+12125550144", "WALSH UMA")
DOCUMENTED = {
    "InboundCall": "eventTarget didNumber didDescription didGroup cidPrefix"
    " callerIdNum callerIdName",
    "HangupCall": "extNumber extName callerIdName callerIdNum",
    "ringAttempt/extension": "eventTarget extNumber extName callerIdNum",
    "ExtensionAnswered": "callerIdNum callerIdName extensionNumber extensionName",
    "inboundCallCompleted": "extNumber extName callerIdName callerIdNum",
    "voicemailHangup": "extNumber extName callerIdName callerIdNum",
    "outboundCall": "extNumber extName numberDialed",
    "ringAttempt/ringGroup": "eventTarget rgNumber callerIdNum",
    "queueEntered": "eventTarget queueNumber callerIdNum",
    "inboundMessage": "toNumber fromNumber conversationID messageText",
    "outboundMessage": "toNumber fromNumber conversationID messageText",
}


def plan(count: int, seed: int = 1) -> list[PlannedCall]:
    phones = PhoneSystem(Office("123456", "42"), CALLERS, seed=seed, couple=COUPLE)
    return list(islice(phones.calls(), count))


def read(webhook: Webhook) -> dict[str, str]:
    if webhook.content_type == FORM:
        return dict(parse_qsl(webhook.body.decode(), keep_blank_values=True, strict_parsing=True))
    return json.loads(webhook.body)


def test_all_eleven_bodies_are_sent_as_documented() -> None:
    seen: dict[str, set[str]] = {}

    for call in plan(200):
        for webhook in call.webhooks:
            fields = read(webhook)
            name = fields["eventType"]
            if name == "ringAttempt":
                name += f"/{fields['eventTarget']}"
            seen.setdefault(name, set()).update(fields)

    common = {"eventType", "containerId", "tenantId", "callUuid"}
    texts = {"eventType", "containerID", "tenantID"}
    assert seen == {
        name: set(fields.split()) | (texts if "Message" in name else common)
        for name, fields in DOCUMENTED.items()
    }


def test_the_first_dozen_shows_every_story() -> None:
    stories = Counter(call.story for call in plan(12))

    assert stories == {
        "answered": 1,
        "missed twice and called back": 3,
        "texts": 1,
        "queue then voicemail": 1,
        "transferred": 1,
        "stranger": 1,
        "outbound": 1,
        "withheld number": 1,
        "shared number": 1,
        "missed": 1,
    }


def test_the_same_seed_is_the_same_day_and_another_is_not() -> None:
    assert plan(50) == plan(50)
    assert plan(50) != plan(50, seed=2)


def test_a_call_goes_forward_in_time_under_one_uuid() -> None:
    calls = [call for call in plan(100) if call.story != "texts"]

    for call in calls:
        assert len({read(webhook)["callUuid"] for webhook in call.webhooks}) == 1
        assert [w.at for w in call.webhooks] == sorted(w.at for w in call.webhooks)
    assert len({read(call.webhooks[0])["callUuid"] for call in calls}) == len(calls)


@pytest.mark.parametrize(
    ("story", "has_extension_at_the_end"),
    [("answered", True), ("transferred", True), ("queue then voicemail", False), ("missed", False)],
)
def test_the_hangup_names_who_talked_last(story: str, has_extension_at_the_end: bool) -> None:
    [call] = [call for call in plan(12) if call.story == story]
    events = [read(webhook) for webhook in call.webhooks]

    answered = [e["extensionNumber"] for e in events if e["eventType"] == "ExtensionAnswered"]
    assert events[-1]["eventType"] == "HangupCall"
    assert bool(events[-1]["extNumber"]) is has_extension_at_the_end
    assert answered[-1:] == ([events[-1]["extNumber"]] if has_extension_at_the_end else [])


def test_a_missed_caller_is_called_back_later_on_the_same_number() -> None:
    first, second, back = [c for c in plan(12) if c.story.startswith("missed twice")]

    number = read(first.webhooks[0])["callerIdNum"][-10:]
    assert read(second.webhooks[0])["callerIdNum"][-10:] == number
    assert read(back.webhooks[0])["numberDialed"][-10:] == number
    assert first.after < second.after < back.after


def test_texts_of_one_client_are_one_conversation_seen_from_both_sides() -> None:
    messages = [read(w) for call in plan(200) if call.story == "texts" for w in call.webhooks]
    client = {
        m["conversationID"]: m["fromNumber" if m["eventType"] == "inboundMessage" else "toNumber"]
        for m in messages
    }

    assert len(client) == len(CALLERS)
    assert {number[-10:] for number in client.values()} == {c.number[-10:] for c in CALLERS}
    assert {m["eventType"] for m in messages} == {"inboundMessage", "outboundMessage"}


def test_invented_clients_are_repeatable_and_nobodys() -> None:
    clients = invent_clients(300)
    numbers = [phone["number"] for client in clients for phone in client["phones"]]

    assert clients == invent_clients(300)
    assert clients != invent_clients(300, seed=2)
    assert len(clients) == 300
    assert all("55501" in "".join(filter(str.isdigit, number)) for number in numbers)
    assert len({number.translate(str.maketrans("0123456789", "9" * 10)) for number in numbers}) > 5
    assert sum(len(client["phones"]) == 2 for client in clients) == 42


def test_one_pair_of_clients_shares_a_number() -> None:
    callers, couple = callers_among(invent_clients(300))

    assert couple is not None
    assert len(callers) == 298
    assert couple.number not in {caller.number for caller in callers}
    assert OWN_LINE not in {caller.number for caller in callers}
    assert all(len(caller.name) <= 15 and caller.name.isascii() for caller in callers)

"""One webhook's body read into an event: what is documented, and each trap by its name."""

import codecs
import json
from urllib.parse import urlencode

import pytest

from ringnote.telephony.facts import EventType, Reading
from ringnote.telephony.parse import MAX_FIELD, MAX_KEY, read_event, read_tenant, subject_of

LIMIT = 64 * 1024
CALL = {"containerId": "123456", "tenantId": "042", "callUuid": "u-1"}
CALL_READ = {"container_id": "123456", "tenant_id": "042", "call_uuid": "u-1"}
TEXT = {"containerID": "123456", "tenantID": "042", "conversationID": "c-1"}
TEXT_READ = {"container_id": "123456", "tenant_id": "042", "conversation_id": "c-1"}
CALLER = {"callerIdNum": "+12125550142", "callerIdName": "DOE JANE"}
CALLER_READ = {"caller_number": "+12125550142", "caller_name": "DOE JANE"}
AMY = {"extNumber": "101", "extName": "Amy"}
AMY_READ = {"extension": "101", "extension_name": "Amy"}

DOCUMENTED: dict[EventType, tuple[dict[str, str], dict[str, str]]] = {
    EventType.INBOUND_CALL: (
        CALL
        | CALLER
        | {
            "eventType": "InboundCall",
            "eventTarget": "phoneNumber",
            "didNumber": "12125550100",
            "didDescription": "Main & Branch",
            "didGroup": "North",
            "cidPrefix": "Sales:",
        },
        CALL_READ
        | CALLER_READ
        | {
            "event_target": "phoneNumber",
            "did_number": "12125550100",
            "did_description": "Main & Branch",
            "did_group": "North",
            "cid_prefix": "Sales:",
        },
    ),
    EventType.HANGUP_CALL: (
        CALL | CALLER | AMY | {"eventType": "HangupCall"},
        CALL_READ | CALLER_READ | AMY_READ,
    ),
    EventType.EXTENSION_RINGS: (
        CALL
        | AMY
        | {
            "eventType": "ringAttempt",
            "eventTarget": "extension",
            "callerIdNum": "2125550142",
        },
        CALL_READ | AMY_READ | {"event_target": "extension", "caller_number": "2125550142"},
    ),
    EventType.EXTENSION_ANSWERED: (
        CALL
        | CALLER
        | {"eventType": "ExtensionAnswered", "extensionNumber": "101", "extensionName": "Amy"},
        CALL_READ | CALLER_READ | AMY_READ,
    ),
    EventType.INBOUND_CALL_COMPLETED: (
        CALL | CALLER | AMY | {"eventType": "inboundCallCompleted"},
        CALL_READ | CALLER_READ | AMY_READ,
    ),
    EventType.VOICEMAIL_HANGUP: (
        CALL | CALLER | {"eventType": "voicemailHangup", "extNumber": "", "extName": ""},
        CALL_READ | CALLER_READ,
    ),
    EventType.OUTBOUND_CALL: (
        CALL | AMY | {"eventType": "outboundCall", "numberDialed": "011442079460958"},
        CALL_READ | AMY_READ | {"number_dialed": "011442079460958"},
    ),
    EventType.RING_GROUP_ENTERED: (
        CALL
        | {
            "eventType": "ringAttempt",
            "eventTarget": "ringGroup",
            "rgNumber": "600",
            "callerIdNum": "2125550142",
        },
        CALL_READ
        | {"event_target": "ringGroup", "ring_group": "600", "caller_number": "2125550142"},
    ),
    EventType.QUEUE_ENTERED: (
        CALL
        | {
            "eventType": "queueEntered",
            "eventTarget": "queue",
            "queueNumber": "700",
            "callerIdNum": "2125550142",
        },
        CALL_READ | {"event_target": "queue", "queue": "700", "caller_number": "2125550142"},
    ),
    EventType.INBOUND_MESSAGE: (
        TEXT
        | {
            "eventType": "inboundMessage",
            "fromNumber": "12125550142",
            "toNumber": "12125550100",
            "messageText": "Is 5 + 5 & “ten” o’clock ok?\nJane",
        },
        TEXT_READ
        | {
            "from_number": "12125550142",
            "to_number": "12125550100",
            "text": "Is 5 + 5 & “ten” o’clock ok?\nJane",
        },
    ),
    EventType.OUTBOUND_MESSAGE: (
        TEXT
        | {
            "eventType": "outboundMessage",
            "fromNumber": "12125550100",
            "toNumber": "12125550142",
            "messageText": "Yes",
        },
        TEXT_READ | {"from_number": "12125550100", "to_number": "12125550142", "text": "Yes"},
    ),
}
ENCODERS = {
    "form": urlencode,
    "json": json.dumps,
    "json in unicode": lambda fields: json.dumps(fields, ensure_ascii=False, indent=2),
}


def form(**over: str) -> bytes:
    return urlencode(CALL | CALLER | {"eventType": "HangupCall"} | over).encode()


def as_json(**over: object) -> bytes:
    return json.dumps(CALL | CALLER | {"eventType": "HangupCall"} | over).encode()


def message(pasted: str) -> bytes:
    """A text's body as the platform makes it: pasted into its template, whatever is in it."""
    body = json.dumps(TEXT | {"eventType": "inboundMessage", "messageText": "PASTED"})
    return body.replace("PASTED", pasted).encode("utf-8", "surrogatepass")


def is_event(reading: Reading) -> bool:
    return not reading.is_quarantined and reading.reason is None


def test_all_eleven_are_documented():
    assert set(DOCUMENTED) == set(EventType)


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("event_type", DOCUMENTED)
def test_each_documented_body_reads_the_same_in_both_encodings(event_type, encoding):
    sent, expected = DOCUMENTED[event_type]

    reading = read_event(ENCODERS[encoding](sent).encode())

    assert reading == Reading(event_type.value, expected)


@pytest.mark.parametrize("event_type", DOCUMENTED)
def test_an_event_adds_to_its_call_or_its_conversation(event_type):
    reading = read_event(urlencode(DOCUMENTED[event_type][0]).encode())

    is_text = event_type in (EventType.INBOUND_MESSAGE, EventType.OUTBOUND_MESSAGE)
    assert subject_of(reading) == (("conversation", "c-1") if is_text else ("call", "u-1"))


def test_the_encoding_is_told_by_the_body():
    assert read_event(form()).fields == read_event(as_json()).fields
    assert read_event(b" \r\n\t" + as_json() + b"\n").fields == read_event(form()).fields


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title, str.swapcase])
@pytest.mark.parametrize("encoding", ENCODERS)
def test_names_are_known_in_any_case(spell, encoding):
    sent, expected = DOCUMENTED[EventType.HANGUP_CALL]
    spelled = {spell(name): value for name, value in sent.items()}

    assert read_event(ENCODERS[encoding](spelled).encode()).fields == expected


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("container_id", "container_id"),
        ("tenant-id", "tenant_id"),
        ("call_uuid", "call_uuid"),
        ("extensionNumber", "extension"),
        ("ext_number", "extension"),
        ("extensionName", "extension_name"),
        ("callerIdNumber", "caller_number"),
        ("cidNum", "caller_number"),
        ("cidName", "caller_name"),
        ("numDialed", "number_dialed"),
        ("ringGroupNumber", "ring_group"),
    ],
)
def test_names_have_aliases(alias, name):
    assert read_event(urlencode({alias: "x"}).encode()).fields == {name: "x"}


@pytest.mark.parametrize("given", ["hangupcall", "HANGUPCALL", " HangupCall "])
def test_an_event_type_is_known_in_any_case(given):
    assert read_event(form(eventType=given)).event_type == "HangupCall"


@pytest.mark.parametrize("make", [form, as_json], ids=["form", "json"])
@pytest.mark.parametrize(
    "both", [{"extNumber": "", "extensionNumber": "101"}, {"extNumber": "101", "ext_number": ""}]
)
def test_of_two_spellings_of_a_field_the_filled_one_counts(make, both):
    assert read_event(make(**both)).fields["extension"] == "101"


@pytest.mark.parametrize(
    ("over", "event_type"),
    [
        ({"rgNumber": "600"}, EventType.RING_GROUP_ENTERED),
        ({"eventTarget": "RINGGROUP"}, EventType.RING_GROUP_ENTERED),
        ({"eventTarget": "ring_group"}, EventType.RING_GROUP_ENTERED),
        ({"extNumber": "101"}, EventType.EXTENSION_RINGS),
        ({"extNumber": "101", "rgNumber": "600"}, EventType.EXTENSION_RINGS),
        (
            {"extNumber": "101", "rgNumber": "600", "eventTarget": "extension"},
            EventType.EXTENSION_RINGS,
        ),
        (
            {"extNumber": "101", "rgNumber": "600", "eventTarget": "ringGroup"},
            EventType.RING_GROUP_ENTERED,
        ),
        ({}, EventType.EXTENSION_RINGS),
    ],
)
def test_a_ring_attempt_is_told_apart_by_its_target(over, event_type):
    assert read_event(form(eventType="ringAttempt", **over)).event_type == event_type.value


@pytest.mark.parametrize(
    "placeholder", ["{FROM_NUMBER}", "{{callerIdNum}}", "${CALLER.ID}", "{ Caller Id }"]
)
def test_unreplaced_placeholders_are_quarantined_and_told(placeholder):
    for body in (form(callerIdNum=placeholder), as_json(callerIdNum=placeholder)):
        reading = read_event(body)

        assert reading.is_quarantined
        assert reading.reason is not None
        assert placeholder in reading.reason


def test_an_unreplaced_event_type_or_text_is_told():
    for body in (form(eventType="{EVENT_TYPE}"), message("{MESSAGE_TEXT}")):
        assert "did not replace" in (read_event(body).reason or "")


def test_an_unquoted_placeholder_in_json_is_told():
    body = as_json().replace(b'"123456"', b"{CONTAINER_ID}")

    assert "{CONTAINER_ID}" in (read_event(body).reason or "")


@pytest.mark.parametrize("text", ["{hugs}", "{}", "see you {soon}", "{FROM_NUMBER} is what I see"])
def test_people_may_text_in_braces(text):
    assert is_event(read_event(message(text)))


@pytest.mark.parametrize("given", ["faxReceived", "😀", "x" * 5000])
def test_an_unknown_event_type_is_kept_and_adds_to_nothing(given):
    reading = read_event(form(eventType=given))

    assert is_event(reading)
    assert reading.event_type == given[:MAX_FIELD]
    assert not reading.is_known
    assert subject_of(reading) is None


@pytest.mark.parametrize("given", [1, 1.5, True, ["HangupCall"], {"a": 1}])
def test_an_event_type_that_is_no_text_is_a_reason(given):
    reading = read_event(as_json(eventType=given))

    assert (reading.is_quarantined, reading.reason) == (True, "its eventType is no text")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ({"eventType": ""}, "it has no eventType"),
        ({"containerId": " "}, "it has no containerId"),
        ({"callUuid": ""}, "it has no callUuid"),
        ({"eventType": "inboundMessage"}, "it has no conversationID"),
        (
            {"callUuid": "u" * (MAX_KEY + 1)},
            f"its callUuid is longer than {MAX_KEY} characters",
        ),
    ],
)
def test_what_is_missing_is_told(missing, reason):
    for make in (form, as_json):
        reading = read_event(make(**missing))

        assert (reading.is_quarantined, reading.reason) == (True, reason)


@pytest.mark.parametrize("nothing", [None, "", "  ", True, [], {}, ["u-2"], {"a": "u-2"}])
def test_a_value_that_is_no_text_and_no_number_is_as_if_missing(nothing):
    assert read_event(as_json(callUuid=nothing)).reason == "it has no callUuid"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        codecs.BOM_UTF8,
        codecs.BOM_UTF16_LE,
        b"\0",
        b"\xff\xfe\xff",
        b"5",
        b"null",
        b'"eventType"',
        b"[]",
        b"[" + as_json() + b"]",
        b"{}",
        b"{",
        b'{"a":',
        b'{"messageText":"',
        b'{"messageText":"\\',
        b"<xml><eventType>HangupCall</eventType></xml>",
        b"eventType",
        b"=HangupCall",
        b"%",
        b"eventType=%",
        b"%%%=%zz&%u1234",
        as_json().decode().encode("utf-16-le"),
        b"[" * LIMIT,
        b'{"a":' * 13_000,
        b'{"eventType":' + b"[" * 60_000,
        b"9" * LIMIT,
        b'{"a":' + b"9" * 60_000 + b"}",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_cannot_be_read_is_a_reason(body):
    reading = read_event(body)

    assert reading.is_quarantined
    assert reading.reason


@pytest.mark.parametrize("tenant", [None, "", " ", "0", "000", " 0 "])
def test_blank_zero_and_missing_are_the_same_tenant(tenant):
    assert read_tenant(tenant) == ""


def test_another_tenant_is_as_it_came():
    assert (read_tenant(" 042 "), read_tenant("100")) == ("042", "100")

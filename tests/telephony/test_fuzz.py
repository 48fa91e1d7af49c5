"""Whatever is posted: the reader never raises, and the receiver never loses it.

RINGNOTE_FUZZ_SECONDS is how long each search lasts (`make fuzz` sets a minute),
RINGNOTE_FUZZ_SEED where they begin. What a search has found is kept among KEPT.
"""

import codecs
import io
import itertools
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote_from_bytes

import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from factories import make_clinic
from ringnote import create_receiver
from ringnote.clock import utc_now
from ringnote.models import DueMark, Event
from ringnote.sandbox.people import callers_among, invent_clients
from ringnote.sandbox.phones import FORM, Office, PhoneSystem
from ringnote.telephony.bodies import RECOVERED
from ringnote.telephony.calls import fold_call
from ringnote.telephony.conversations import fold_windows
from ringnote.telephony.facts import FIELDS, MESSAGES, EventType, Fact, Grounds, Reading
from ringnote.telephony.parse import MAX_FIELD, MAX_KEY, read_event, subject_of
from ringnote.telephony.tokens import issue_webhook_token

SECONDS = float(os.environ.get("RINGNOTE_FUZZ_SECONDS", "1.5"))
SEED = int(os.environ.get("RINGNOTE_FUZZ_SEED", "1"))
BATCH = 100
LIMIT = 64 * 1024
CONTAINER = "123456"
AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
GROUNDS = Grounds(region="US", lines=frozenset({"+12125550100"}))

KEPT = (
    b"",
    b"\xff\x00 what?",
    b"9" * 5000,
    b'{"eventType":"HangupCall","containerId":123456,"callUuid":' + b"9" * 400 + b"}",
    b'{"eventType":"HangupCall","containerId":123456,"callUuid":1e999}',
    b'{"eventType":"HangupCall","containerId":123456,"callUuid":"\\ud83d"}',
    b"eventType=HangupCall&containerId=123456&callUuid=%00",
    b"eventType=HangupCall&containerId=123456&callUuid=" + b"u" * 60_000,
    b"eventType=%00&containerId=123456",
    b"eventType={" + b"a" * 900 + b"}&containerId=123456",
    b'{"eventType":"inboundMessage","messageText":"' + b'\\"' * 100,
    b"[" * LIMIT,
    b"&" * LIMIT,
)
TYPES = (
    FORM,
    "application/json",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain; charset=nonsense",
    "text/\0",
    "application/octet-stream",
    "",
)
TRICKY = (
    b"&",
    b"=",
    b"+",
    b"%",
    b"%00",
    b"%ff",
    b"\0",
    b"\xff",
    b'"',
    b'\\"',
    b'"}',
    b'","callUuid":"',
    b'"messageText":"',
    b"\\",
    b"\\u0000",
    b"\\ud83d",
    b"\n",
    b"{",
    b"}",
    b"[",
    b"{FROM_NUMBER}",
    b"null",
    b"NaN",
    b"1e999",
    "😀".encode(),
    "\u202e".encode(),
    codecs.BOM_UTF8,
    b"&callUuid=2",
    b" & ",
)
KEYS = ("eventType", "containerId", "containerID", "callUuid", "conversationID", "messageText")
KEYS += ("extNumber", "extensionNumber", "callerIdNum", "callerIdName", "tenantId", "odd")

Edit = Callable[[bytes], bytes]


def real_bodies() -> list[bytes]:
    """Bodies as the phone system sends them, each in both encodings."""
    callers, couple = callers_among(invent_clients(20))
    phones = PhoneSystem(Office(CONTAINER, ""), callers, couple=couple)
    webhooks = [w for call in itertools.islice(phones.calls(), 12) for w in call.webhooks]
    forms = [webhook.body for webhook in webhooks if webhook.content_type == FORM]
    others = [webhook.body for webhook in webhooks if webhook.content_type != FORM]
    as_json = [json.dumps(dict(parse_qsl(body.decode(), True))).encode() for body in forms]
    return list(dict.fromkeys([*forms, *others, *as_json]))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """One thing that may happen to a body."""
    begins, ends = sorted((draw(st.integers(0, 300)), draw(st.integers(0, 300))))
    tricky = draw(st.one_of(st.sampled_from(TRICKY), st.binary(max_size=4)))
    other, times = draw(st.sampled_from(REAL)), draw(st.integers(2, 400))
    done: tuple[Edit, ...] = (
        lambda body: body[:begins] + tricky + body[begins:],
        lambda body: body[:begins] + tricky + body[begins + len(tricky) :],
        lambda body: body[:begins],
        lambda body: body[begins:],
        lambda body: body[:begins] + body[ends:],
        lambda body: body[:begins] + other[ends:],
        lambda body: body + other,
        lambda body: body + b"&" + other,
        lambda body: body[:begins] + body[begins:ends] * times + body[ends:],
        lambda body: body[:begins] + tricky * times + body[begins:],
        lambda body: body.replace(b'"', b"'"),
        lambda body: body.swapcase(),
        lambda body: codecs.BOM_UTF8 + body,
        lambda body: body.decode("latin-1").encode("utf-16"),
        lambda body: body.decode("latin-1").encode("utf-16-be"),
        lambda body: quote_from_bytes(body).encode(),
        lambda body: json.dumps(body.decode("latin-1")).encode(),
        lambda body: b"[" + body + b"]",
    )
    return draw(st.sampled_from(done))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from(REAL))
    for edit in draw(st.lists(edits(), min_size=1, max_size=4)):
        body = edit(body)[:LIMIT]
    return body


REAL = real_bodies()
PASTED = st.lists(
    st.one_of(st.text(max_size=5), st.sampled_from([each.decode("latin-1") for each in TRICKY])),
    max_size=8,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(0, 500).map(lambda digits: 10**digits),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([CONTAINER, *EventType]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)
BODIES = st.one_of(
    mutants(),
    mutants(),
    st.builds(
        lambda event_type, pasted: (
            (
                f'{{"eventType":"{event_type}","containerID":"{CONTAINER}","callUuid":"u",'
                '"conversationID":"c","messageText":"'
            ).encode()
            + pasted
            + b'"}'
        ),
        st.sampled_from(EventType),
        PASTED,
    ),
    st.dictionaries(st.sampled_from(KEYS), JSON_VALUES).map(
        lambda value: json.dumps(value).encode()
    ),
    st.lists(st.tuples(st.sampled_from(KEYS), PASTED), max_size=8).map(
        lambda pairs: b"&".join(key.encode() + b"=" + value for key, value in pairs)
    ),
    st.binary(max_size=300),
    st.builds(
        lambda part, times: (part * times)[:LIMIT], st.sampled_from(TRICKY), st.integers(0, LIMIT)
    ),
)
CONTENT_TYPES = st.one_of(
    st.sampled_from(TYPES),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=300),
)


def search(judge: Callable[..., None], *strategies: st.SearchStrategy, kept=()) -> None:
    """Judge what was kept, then ever other examples until the time is up."""
    until = time.monotonic() + SECONDS
    for number in itertools.count(SEED):
        search_on = given(*strategies)(judge)
        for each in kept if number == SEED else ():
            search_on = example(*each)(search_on)
        quiet = settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(quiet(search_on))()
        if time.monotonic() > until:
            return


def judge_reading(body: bytes) -> None:
    reading = read_event(body)

    assert read_event(body) == reading
    if reading.is_quarantined:
        assert reading.reason
        assert subject_of(reading) is None
    else:
        assert reading.reason in (None, RECOVERED)
        assert reading.event_type
        assert reading.fields["container_id"]
    assert set(reading.fields) <= set(FIELDS)
    for name, value in reading.fields.items():
        assert value or name == "text"
        assert name == "text" or (len(value) <= MAX_FIELD and value == value.strip())
    for text in (reading.event_type or "", reading.reason or "", *reading.fields.values()):
        assert "\0" not in text
        text.encode()
    if subject := subject_of(reading):
        judge_fold(reading, subject)


def judge_fold(reading: Reading, subject: tuple[str, str]) -> None:
    """What was accepted can be folded."""
    assert 0 < len(subject[1]) <= MAX_KEY
    fact = Fact("e-1", AT, EventType(reading.event_type), reading.fields)
    if fact.type in MESSAGES:
        assert len(fold_windows([fact], "America/New_York", GROUNDS)) == 1
    else:
        fold_call([fact], [], GROUNDS)


def test_no_bytes_make_the_reader_raise():
    search(judge_reading, BODIES, kept=[(body,) for body in KEPT])


def test_the_real_bodies_are_read_and_not_recovered():
    readings = [read_event(body) for body in REAL]

    assert {reading.event_type for reading in readings} == set(EventType)
    assert {(reading.is_quarantined, reading.reason) for reading in readings} == {(False, None)}


def test_no_bytes_with_any_content_type_are_lost(runtime):
    clinic = make_clinic(runtime.db, container_id=CONTAINER)
    with runtime.db.transaction() as session:
        path = f"/webhooks/{issue_webhook_token(session, clinic.id, utc_now())}"
    client = create_receiver(runtime=runtime).test_client()

    def judge(body: bytes, content_type: str) -> None:
        # As a stream: what the test client is given as data it encodes anew by the content type.
        stream = {"input_stream": io.BytesIO(body), "content_length": len(body)}
        answer = client.post(path, content_type=content_type, **stream)

        with runtime.db.transaction() as session:
            events = list(session.scalars(sa.select(Event)))
            marks = list(session.scalars(sa.select(DueMark.subject_key)))
            session.execute(sa.delete(Event))
            session.execute(sa.delete(DueMark))
        assert answer.status_code == 200
        assert answer.json["status"] in ("accepted", "quarantined")
        assert [event.body for event in events] == [body]
        [event] = events
        assert (event.status, event.reason is None) == (answer.json["status"], event.reason is None)
        assert ("reason" in answer.json) == (event.status == "quarantined")
        assert marks == ([event.subject_key] if event.subject_key else [])

    search(
        judge,
        BODIES,
        CONTENT_TYPES,
        kept=[*itertools.product(KEPT, TYPES[:1]), *itertools.product(KEPT[:1], TYPES)],
    )

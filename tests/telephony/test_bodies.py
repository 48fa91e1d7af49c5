"""What encodings and templates do to a body, each trap by its name."""

import codecs
import json
import time
from urllib.parse import urlencode

import pytest

from ringnote.telephony.bodies import RECOVERED
from ringnote.telephony.facts import Reading
from ringnote.telephony.parse import MAX_FIELD, read_event

LIMIT = 64 * 1024
CALL = {
    "eventType": "HangupCall",
    "containerId": "123456",
    "callUuid": "u-1",
    "callerIdNum": "+12125550142",
    "callerIdName": "DOE JANE",
}
TEXT = {
    "eventType": "inboundMessage",
    "containerID": "123456",
    "tenantID": "042",
    "conversationID": "c-1",
}
TEXT_READ = {"container_id": "123456", "tenant_id": "042", "conversation_id": "c-1"}


def form(**over: str) -> bytes:
    return urlencode(CALL | over).encode()


def as_json(**over: object) -> bytes:
    return json.dumps(CALL | over).encode()


def message(pasted: str) -> bytes:
    """A text's body as the platform makes it: pasted into its template, whatever is in it."""
    body = json.dumps(TEXT | {"messageText": "PASTED"})
    return body.replace("PASTED", pasted).encode("utf-8", "surrogatepass")


def is_event(reading: Reading) -> bool:
    return not reading.is_quarantined and reading.reason is None


def is_recovered(reading: Reading) -> bool:
    return not reading.is_quarantined and reading.reason == RECOVERED


@pytest.mark.parametrize("body", [form(), as_json()], ids=["form", "json"])
def test_a_byte_order_mark_is_no_part_of_the_first_key(body):
    assert read_event(codecs.BOM_UTF8 + body) == read_event(body)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_its_byte_order_mark(encoding):
    body = ("\ufeff" + as_json(callerIdName="Zoë").decode()).encode(encoding)

    assert read_event(body).fields["caller_name"] == "Zoë"


def test_latin_1_leaves_a_mark_where_a_letter_cannot_be_told():
    reading = read_event(form(callerIdName="@").replace(b"%40", b"JOS\xc9 %C9"))

    assert reading.fields["caller_name"] == "JOS\ufffd \ufffd"
    assert reading.fields["caller_number"] == "+12125550142"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("+12125550142", "+12125550142"),
        ("+442079460958", "+442079460958"),
        ("+1+212+555+0142", "+1 212 555 0142"),
        ("%2B12125550142", "+12125550142"),
        ("12125550142", "12125550142"),
        ("+101", "101"),
        ("+anonymous", "anonymous"),
    ],
)
def test_spaces_that_were_plus_signs_are_plus_signs_again_before_a_number(sent, read):
    body = form(callerIdNum="@").replace(b"%40", sent.encode())

    assert read_event(body).fields["caller_number"] == read


def test_other_plus_signs_are_spaces():
    reading = read_event(form(callerIdName="@").replace(b"%40", b"+5551234567+DOE"))

    assert reading.fields["caller_name"] == "5551234567 DOE"


@pytest.mark.parametrize("name", ["SMITH & SONS", "A&B&C", "&CO", "CO&", "R&&D", "A & B = C"])
def test_an_unescaped_ampersand_is_glued_back_to_its_name(name):
    body = form(callerIdName="@").replace(b"%40", name.encode()) + b"&extNumber=101"

    reading = read_event(body)

    assert reading.fields["caller_name"] == name
    assert reading.fields["extension"] == "101"


def test_an_unescaped_ampersand_is_glued_back_to_its_text():
    body = urlencode(TEXT) + "&messageText=see x.example/?a=1&b=2"

    assert read_event(body.encode()).fields["text"] == "see x.example/?a=1&b=2"


def test_a_key_of_its_own_is_not_glued_to_a_name():
    reading = read_event(form() + b"&callerIdName=DOE&callDuration=12&x&extNumber=101")

    assert reading.fields["caller_name"] == "DOE JANE"
    assert reading.fields["extension"] == "101"


def test_nothing_is_glued_to_a_number_or_an_id():
    reading = read_event(form(callUuid="u-9") + b"&callUuid=u-9&stray&extNumber=1&stray")

    assert (reading.fields["call_uuid"], reading.fields["extension"]) == ("u-9", "1")


@pytest.mark.parametrize(
    ("pasted", "text"),
    [
        ('she said "hi" to me', 'she said "hi" to me'),
        ('"', '"'),
        ('""', '""'),
        ("don\\'t", "don't"),
        ('a " C:\\x \\/', 'a " C:\\x /'),
        ('a "b" \\n c\\u00e9 \\ud83d\\ude00', 'a "b" \n cé 😀'),
        ('lone " \\ud83d', 'lone " \ufffd'),
        ('smile "}', 'smile "}'),
        ('braces "{}}]', 'braces "{}}]'),
        ('"quoted", "containerID": "999999"', '"quoted", "containerID": "999999"'),
        ('x","containerID":"999999', 'x","containerID":"999999'),
        (
            'x","conversationID":"c-2","messageText":"y',
            'x","conversationID":"c-2","messageText":"y',
        ),
    ],
)
def test_a_broken_json_template_is_recovered_and_marked(pasted, text):
    reading = read_event(message(pasted))

    assert is_recovered(reading)
    assert reading.fields == TEXT_READ | {"text": text}


@pytest.mark.parametrize("pasted", ["one\ntwo\r\n\tthree", "bell \x07"])
def test_raw_newlines_and_tabs_in_json_need_no_recovery(pasted):
    reading = read_event(message(pasted))

    assert is_event(reading)
    assert reading.fields["text"] == pasted


@pytest.mark.parametrize("end", ["", "\n", " "])
def test_a_json_body_that_was_cut_off_keeps_all_of_its_text(end):
    body = message('he said "hi" and the')[:-2] + end.encode()

    reading = read_event(body)

    assert is_recovered(reading)
    assert reading.fields["text"] == 'he said "hi" and the'


def test_a_broken_template_whose_text_comes_first_gives_up_the_keys_behind_it():
    text = 'say "hi","conversationID":"c-9'
    body = (
        f'{{"messageText":"{text}","eventType":"inboundMessage",'
        '"containerID":"123456","tenantID":"042","conversationID":"c-1"}'
    )

    reading = read_event(body.encode())

    assert is_recovered(reading)
    assert reading.fields == TEXT_READ | {"text": text}


def test_values_pasted_into_json_without_quotes_are_recovered():
    body = (
        '{"eventType":"inboundMessage","toNumber":+12125550100,"fromNumber":02125550142,'
        '"containerID":123456,"tenantID":,"conversationID":"c-1","messageText":"hi"}'
    )

    reading = read_event(body.encode())

    assert is_recovered(reading)
    assert reading.fields == {
        "to_number": "+12125550100",
        "from_number": "02125550142",
        "container_id": "123456",
        "conversation_id": "c-1",
        "text": "hi",
    }


def test_lone_surrogates_are_replaced():
    for pasted in ("\\ud83d", "\\ude00 \\ud83d", "\ud83d"):
        reading = read_event(message(pasted))

        assert "\ufffd" in reading.fields["text"]
        reading.fields["text"].encode()


def test_nul_bytes_are_replaced():
    for body in (form(callerIdName="a\0b"), as_json(callerIdName="a\0b")):
        assert read_event(body).fields["caller_name"] == "a\ufffdb"
    assert read_event(form().replace(b"DOE", b"D\0E")).fields["caller_name"] == "D\ufffdE JANE"


@pytest.mark.parametrize(
    "text",
    ["😀 👩🏽‍⚕️ 🐈", "مرحبا \u202bשלום\u202c", "Z\u0301algo", "\U0010ffff", "&amp; &lt;b&gt;"],
)
@pytest.mark.parametrize("encode", [urlencode, json.dumps])
def test_emoji_right_to_left_text_and_markup_stay_as_they_are(text, encode):
    sent = TEXT | {"messageText": text}

    reading = read_event(encode(sent).encode())

    assert is_event(reading)
    assert reading.fields["text"] == text


@pytest.mark.parametrize("character", ["x", "é", "😀", "+", "\n"])
def test_a_text_that_fills_the_body_is_kept_whole(character):
    room = LIMIT - len(message(""))
    text = character * (room // len(character.encode()))

    reading = read_event(message(text))

    assert reading.fields["text"] == text


def test_blanks_around_a_text_are_its_own():
    assert read_event(message("  hi \\n")).fields["text"] == "  hi \n"


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("12125550142", "12125550142"),
        ("1.2125550142e10", "12125550142"),
        ("12125550142.0", "12125550142"),
        ("-5", "-5"),
        ("0", "0"),
        ("NaN", None),
        ("-Infinity", None),
        ("1e999", None),
        ("9" * 400, "9" * 400),
        ("9" * 4300, "9" * MAX_FIELD),
        ("9" * 60_000, "9" * MAX_FIELD),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_json_number_is_its_digits(number, read):
    body = as_json(callerIdNum="@").replace(b'"@"', number.encode())

    assert read_event(body).fields.get("caller_number") == read


def test_of_a_key_that_stands_twice_the_first_counts():
    first, second = b'"callUuid": "u-1"', b'"callUuid": "u-2"'
    doubled = as_json().replace(first, first + b", " + second)

    assert is_recovered(read_event(doubled))
    assert read_event(doubled).fields["call_uuid"] == "u-1"
    assert read_event(form() + b"&callUuid=u-2").fields["call_uuid"] == "u-1"


PREFIX = message("@").partition(b"@")[0]
NAMELESS = b'{"eventType":"inboundMessage","containerID":"123456","messageText":"'
WORST = {
    "ampersands": b"callerIdName=a" + b"&" * LIMIT,
    "strays behind a text": b"messageText=a" + b"&b" * LIMIT,
    "keys": b"&".join(b"k%d=" % number for number in range(12_000)),
    "percents": b"callerIdName=" + b"%" * LIMIT,
    "escaped percents": b"callerIdName=" + b"%25" * LIMIT,
    "plus signs": b"callerIdNum=" + b"+" * LIMIT,
    "a digit in plus signs": b"callerIdNum=+1" + b"+" * LIMIT,
    "quotes": b"{" + b'"' * LIMIT,
    "quotes in a text": PREFIX + b'"' * LIMIT,
    "backslashes": PREFIX + b"\\" * LIMIT,
    "escapes": PREFIX + b'"' + b"\\ud83d" * LIMIT,
    "escaped quotes": b'{"a":"' + b'\\"a":"' * LIMIT,
    "pairs": b"{" + b'"a":"b",' * LIMIT,
    "pairs behind a text": NAMELESS + b'x"' + b',"tenantID":"1"' * LIMIT,
    "blanks behind pairs": NAMELESS + b'x"' + b',"tenantID":"b"' * 60 + b" " * 1100 + b"x",
    "blanks in pairs": NAMELESS + b'"   , ' * LIMIT,
    "half pairs": b"{" + b'"a"  :' * LIMIT,
    "texts that begin": b"{" + b'"messageText"  ' * LIMIT,
    "twice": b"{" + b'"callUuid":"1",' * 4000 + b'"a":1}',
    "open brackets": b"[" * LIMIT,
    "open objects": b'{"a":' * LIMIT,
    "braces": b"eventType=" + b"{" * LIMIT,
    "a placeholder without end": b"eventType={" + b"a " * LIMIT,
    "blanks": b"eventType={" + b"+" * LIMIT,
    "digits": b'{"a":' + b"9" * LIMIT,
    "bad bytes": b"\xff" * LIMIT,
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_64_kib_are_read_within_some_milliseconds(name):
    body = WORST[name][:LIMIT]
    took = []

    for _ in range(3):
        began = time.thread_time()
        read_event(body)
        took.append(time.thread_time() - began)

    assert min(took) < 0.1

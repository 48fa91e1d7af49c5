"""What a clinic's traffic shows to be missing."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from ringnote.telephony.coverage import TABS, Sighting, find_gaps
from ringnote.telephony.facts import EventType

NOW = datetime(2026, 3, 10, 17, 0, tzinfo=UTC)
OWN = ("123456", "")
LINE = "+12125550100"
COUNT = itertools.count()


def saw(kind: EventType | str, key: str, at: datetime, **fields: str) -> Sighting:
    return Sighting(at, True, None, str(kind), key, fields)


def whole_call(at: datetime, *left_out: EventType, extension: str = "101") -> list[Sighting]:
    """A call that 101 answered, with everything reported but for what is left out."""
    key = f"call-{next(COUNT)}"
    kinds = {
        EventType.INBOUND_CALL: {"did_number": LINE},
        EventType.EXTENSION_RINGS: {"extension": extension},
        EventType.EXTENSION_ANSWERED: {"extension": extension},
        EventType.HANGUP_CALL: {"extension": extension},
    }
    return [saw(kind, key, at, **kinds[kind]) for kind in kinds if kind not in left_out]


def days_of(*left_out: EventType, days: int = 7, a_day: int = 8, **over: str) -> list[Sighting]:
    """Calls from nine to five of each day until now."""
    return [
        sighting
        for day in range(days, -1, -1)
        for hour in range(a_day)
        if (at := NOW - timedelta(days=day, hours=a_day - hour)) < NOW
        for sighting in whole_call(at, *left_out, **over)
    ]


def kinds(sightings, now: datetime = NOW) -> list[str]:
    return [gap.kind for gap in find_gaps(sightings, OWN, now)]


def placed(at: datetime) -> Sighting:
    return saw(EventType.OUTBOUND_CALL, f"call-{next(COUNT)}", at, extension="101")


def test_traffic_without_holes_shows_nothing():
    assert kinds([*days_of(), placed(NOW)]) == []


def test_a_line_without_hangups_is_named_with_its_tab():
    [gap] = find_gaps([*days_of(EventType.HANGUP_CALL), placed(NOW)], OWN, NOW)

    assert gap.kind == "no_hangup"
    assert LINE in gap.says
    assert gap.tab == f"Phone numbers → {LINE} → Hangup"
    assert gap.seen > 20


def test_calls_that_may_still_be_going_on_miss_no_hangup():
    calls = [one for _ in range(5) for one in whole_call(NOW, EventType.HANGUP_CALL)]

    assert kinds(calls) == []


def test_arrivals_that_were_never_reported_are_told():
    assert kinds([*days_of(EventType.INBOUND_CALL), placed(NOW)]) == ["no_arrival"]


def test_a_few_transfers_without_an_arrival_are_no_gap():
    legs = [one for _ in range(4) for one in whole_call(NOW, EventType.INBOUND_CALL)]

    assert kinds([*days_of(), *legs, placed(NOW)]) == []


def test_an_extension_that_never_reports_an_answer_is_named():
    calls = days_of(EventType.EXTENSION_ANSWERED, extension="104")

    [gap] = find_gaps([*days_of(), *calls, placed(NOW)], OWN, NOW)

    assert gap.kind == "no_answer"
    assert gap.tab == "Extensions → 104 → Answered"


def test_an_extension_that_answers_but_rarely_is_no_gap():
    calls = [*days_of(), *days_of(EventType.EXTENSION_ANSWERED)]

    assert kinds([*calls, placed(NOW)]) == []


def test_a_queue_gone_silent_while_calls_come_is_named():
    entered = saw(EventType.QUEUE_ENTERED, "call-q", NOW - timedelta(days=7), queue="700")

    [gap] = find_gaps([entered, *days_of(), placed(NOW)], OWN, NOW)

    assert (gap.kind, gap.tab) == ("silent_queue", "Queues → 700 → Entered")


def test_a_queue_is_not_silent_when_nobody_calls():
    calls = [
        saw(EventType.QUEUE_ENTERED, "call-q", NOW - timedelta(days=7), queue="700"),
        *whole_call(NOW),
    ]

    assert "silent_queue" not in kinds(calls)


@pytest.mark.parametrize(
    ("left_out", "kind"),
    [(EventType.EXTENSION_RINGS, "never_extension_rings")],
)
def test_what_never_comes_at_all_is_told(left_out, kind):
    assert kinds([*days_of(left_out), placed(NOW)]) == [kind]


def test_outgoing_calls_that_never_come_are_told():
    assert kinds(days_of()) == ["never_outbound_call"]


def test_conversations_of_which_only_one_side_comes_are_told():
    texts = [saw(EventType.INBOUND_MESSAGE, "conv", NOW) for _ in range(20)]

    [gap] = find_gaps(texts, OWN, NOW)

    assert (gap.kind, gap.tab) == ("half_conversations", TABS[EventType.OUTBOUND_MESSAGE])


def refused(reason: str, event_type: str | None = None, **fields: str) -> Sighting:
    return Sighting(NOW, False, reason, event_type, None, fields)


def test_placeholders_name_the_tab_of_their_webhook():
    bad = refused("the phone system did not replace the placeholder {X}", "HangupCall")

    [gap] = find_gaps([bad, bad], OWN, NOW)

    assert (gap.kind, gap.tab, gap.seen) == ("placeholder", TABS[EventType.HANGUP_CALL], 2)


def test_another_account_s_webhooks_are_told_with_its_container():
    bad = refused("it names another clinic", "HangupCall", container_id="654321", tenant_id="007")

    [gap] = find_gaps([bad], OWN, NOW)

    assert gap.kind == "foreign_container"
    assert "654321, tenant 007" in gap.says


def test_what_could_not_be_used_says_why():
    [gap] = find_gaps([refused("it has no eventType")], OWN, NOW)

    assert (gap.kind, gap.seen) == ("unusable", 1)
    assert "it has no eventType" in gap.says


def test_a_clinic_that_never_sent_anything_is_told():
    assert kinds([]) == ["nothing"]


def test_a_silence_as_every_night_is_usual():
    calls = [*days_of(), placed(NOW)]

    assert kinds(calls, NOW + timedelta(hours=15)) == []


def test_a_silence_twice_as_long_as_ever_is_told():
    calls = [*days_of(), placed(NOW)]

    assert kinds(calls, NOW + timedelta(hours=40)) == ["silent"]

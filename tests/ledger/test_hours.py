"""Business hours: what is open, when so many open minutes have passed, holidays, clock changes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ringnote.ledger.hours import Closure, OpenHours, read_day, read_span

NEW_YORK = ZoneInfo("America/New_York")
EIGHT_TO_SIX = (read_span("08:00-18:00"),)
NIGHT = (read_span("20:00-06:00"),)


def hours(*week, closures=(), is_always=False):
    days = [*week, *[()] * (7 - len(week))]
    return OpenHours(NEW_YORK, tuple(days), tuple(closures), is_always)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def after(open_hours, text, minutes):
    due = open_hours.after(at(text).astimezone(UTC), minutes)
    return due.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M")


WEEK = hours(*[EIGHT_TO_SIX] * 5)


@pytest.mark.parametrize(
    ("called", "minutes", "due"),
    [
        ("2026-03-02 09:00", 60, "2026-03-02 10:00"),
        ("2026-03-02 17:30", 60, "2026-03-03 08:30"),
        ("2026-03-02 17:00", 60, "2026-03-02 18:00"),
        ("2026-03-02 06:00", 60, "2026-03-02 09:00"),
        ("2026-03-06 17:50", 20, "2026-03-09 08:10"),
        ("2026-03-07 12:00", 5, "2026-03-09 08:05"),
        ("2026-03-02 09:00", 1200, "2026-03-04 09:00"),
    ],
)
def test_only_open_minutes_count(called, minutes, due):
    assert after(WEEK, called, minutes) == due


def test_a_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer():
    nights = hours(*[NIGHT] * 7)

    assert after(nights, "2026-03-07 20:00", 9 * 60) == "2026-03-08 06:00"
    assert after(nights, "2026-10-31 20:00", 11 * 60) == "2026-11-01 06:00"


def test_overnight_hours_are_open_after_midnight_and_closed_by_day():
    nights = hours(NIGHT)

    assert nights.is_open(at("2026-03-02 23:00"))
    assert nights.is_open(at("2026-03-03 05:59"))
    assert not nights.is_open(at("2026-03-03 06:00"))
    assert not nights.is_open(at("2026-03-02 05:00"))


def test_a_holiday_is_closed_from_midnight_to_midnight_even_for_the_night_before():
    closed = hours(NIGHT, NIGHT, closures=[Closure("2026-03-03", "2026-03-03")])

    assert closed.is_open(at("2026-03-02 23:59"))
    assert not closed.is_open(at("2026-03-03 00:00"))
    assert not closed.is_open(at("2026-03-03 21:00"))


def test_a_holiday_may_have_hours_of_its_own():
    short = Closure("12-24", "12-24", spans=(read_span("09:00-12:00"),))

    assert after(hours(*[EIGHT_TO_SIX] * 7, closures=[short]), "2026-12-24 11:30", 60) == (
        "2026-12-25 08:30"
    )


def test_a_yearly_holiday_may_go_on_into_the_new_year():
    days = Closure("12-24", "01-02")
    week = hours(*[EIGHT_TO_SIX] * 7, closures=[days])

    assert after(week, "2026-12-23 17:30", 60) == "2027-01-03 08:30"


def test_where_every_minute_counts_none_is_left_out():
    assert after(hours(is_always=True), "2026-03-07 23:50", 20) == "2026-03-08 00:10"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8-18", "write it as 08:00-18:00"),
        ("18:00-18:00", "ends when it begins"),
        ("08:00-25:00", "no clock shows"),
        ("24:00-25:00", "no clock shows"),
        ("08:60-10:00", "no clock shows"),
    ],
)
def test_what_is_no_span_is_told_why(text, says):
    with pytest.raises(ValueError, match=says):
        read_span(text)


@pytest.mark.parametrize("text", ["2026-02-30", "13-01", "Christmas", ""])
def test_what_is_no_day_is_refused(text):
    with pytest.raises(ValueError, match="is no date"):
        read_day(text)

"""What a failed try means."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringnote.delivery.retry import (
    GIVE_UP_SECONDS,
    Next,
    breaker_seconds,
    judge,
    judge_untried,
    retry_seconds,
    tried_since,
)
from ringnote.errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)


def judged(error, *, creating=True, attempts=0, age_seconds=0.0, jitter=0.5, unanswered=0):
    return judge(
        error,
        creating=creating,
        attempts=attempts,
        age_seconds=age_seconds,
        jitter=jitter,
        unanswered=unanswered,
    )


def test_the_first_retry_comes_within_five_seconds():
    assert all(0 < retry_seconds(0, jitter / 10) <= 5 for jitter in range(10))


@given(st.integers(0, 1000), st.floats(0, 0.999))
def test_retries_never_come_at_once_and_never_later_than_four_hours(attempts, jitter):
    assert 1 <= retry_seconds(attempts, jitter) <= 4 * 3600


def test_each_retry_waits_longer_than_the_one_before():
    waits = [retry_seconds(attempts, 0.5) for attempts in range(8)]

    assert waits == sorted(set(waits))


def test_a_rate_limit_snoozes_for_the_time_the_pms_named():
    verdict = judged(RateLimited("slow down", status=429, retry_after=17.0))

    assert (verdict.next, verdict.seconds) == (Next.SNOOZED, 17.0)


def test_refused_credentials_pause_the_connection():
    assert judged(CredentialsRejected("no", status=401)).next is Next.PAUSED


def test_a_refused_record_is_set_aside_with_the_reason():
    verdict = judged(RecordRejected("the PMS answered 422 (bad_title)", status=422))

    assert (verdict.next, verdict.reason) == (Next.SET_ASIDE, "the PMS answered 422 (bad_title)")


def test_a_record_deleted_in_the_pms_is_left_alone():
    assert judged(RecordGone("gone", status=404), creating=False).next is Next.CLOSED_THERE


def test_a_missing_client_at_a_create_is_set_aside():
    assert judged(RecordGone("no such client", status=404), creating=True).next is Next.SET_ASIDE


@pytest.mark.parametrize(
    ("error", "creating", "in_doubt"),
    [
        (OutcomeUnknown("no answer"), True, True),
        (Temporary("502", status=502), True, True),
        (Temporary("cannot be reached"), True, False),
        (Temporary("502", status=502), False, False),
    ],
)
def test_only_a_create_that_was_sent_is_in_doubt(error, creating, in_doubt):
    assert judged(error, creating=creating).is_in_doubt is in_doubt


def test_an_unknown_outcome_is_looked_up_within_seconds_however_often_it_failed():
    verdict = judged(OutcomeUnknown("no answer"), attempts=50)

    assert verdict.next is Next.UNKNOWN
    assert verdict.seconds < 5


def test_what_is_never_answered_is_looked_up_ever_more_rarely():
    waits = [judged(OutcomeUnknown("no answer"), unanswered=count).seconds for count in range(12)]

    assert waits == sorted(waits)
    assert waits[0] < 5
    assert waits[1] < 5
    assert waits[-1] > 3600
    assert sum(each < 3600 for each in waits) < 10


def test_a_pms_that_names_a_later_time_is_obeyed():
    assert judged(Temporary("503", status=503, retry_after=600.0)).seconds == 600.0


def test_three_days_of_failure_set_an_entry_aside():
    verdict = judged(Temporary("503", status=503), attempts=24, age_seconds=GIVE_UP_SECONDS + 1)

    assert verdict.next is Next.SET_ASIDE
    assert "3 days" in verdict.reason


def test_nothing_is_given_up_at_its_first_failure_however_long_it_waited_before():
    verdict = judged(Temporary("503", status=503), age_seconds=GIVE_UP_SECONDS * 10)

    assert verdict.next is Next.AGAIN


NOW = datetime(2026, 3, 9, tzinfo=UTC)
DAYS_AGO = NOW - timedelta(days=4)
REFUSED = CredentialsRejected("no", status=401)


@pytest.mark.parametrize(
    ("verdict", "attempts", "since"),
    [
        (judged(Temporary("503", status=503)), 0, NOW),
        (judged(Temporary("503", status=503), attempts=3), 3, DAYS_AGO),
        (judge_untried("its plugin is gone", 3, 0.5), 3, NOW),
        (judged(REFUSED, attempts=3), 3, NOW),
        (judged(RateLimited("slow", retry_after=3600.0)), 3, DAYS_AGO + timedelta(hours=1)),
        (judged(RateLimited("slow", retry_after=9e6)), 3, NOW),
    ],
)
def test_only_the_time_in_which_it_was_tried_in_vain_is_counted(verdict, attempts, since):
    assert tried_since(verdict, attempts, DAYS_AGO, NOW) == since


def test_a_rate_limit_never_sets_an_entry_aside():
    verdict = judged(RateLimited("slow", status=429), age_seconds=GIVE_UP_SECONDS * 10)

    assert verdict.next is Next.SNOOZED


def test_the_breaker_opens_after_five_failures_and_never_for_longer_than_five_minutes():
    assert [breaker_seconds(failures, 0.5) for failures in range(5)] == [None] * 5
    assert all(0 < breaker_seconds(failures, 0.99) <= 300 for failures in (*range(5, 60), 5000))


@given(st.lists(st.floats(0, 0.999), min_size=300, max_size=300))
def test_the_schedule_spans_three_days_and_never_runs_hot(jitters):
    age, waits = 0.0, []
    for attempts, jitter in enumerate(jitters):
        verdict = judged(
            Temporary("503", status=503), attempts=attempts, age_seconds=age, jitter=jitter
        )
        if verdict.next is Next.SET_ASIDE:
            break
        waits.append(verdict.seconds)
        age += verdict.seconds

    assert verdict.next is Next.SET_ASIDE
    assert GIVE_UP_SECONDS < age <= GIVE_UP_SECONDS + 4 * 3600
    assert waits[0] <= 5
    assert len(waits) < 60
    assert all(later > earlier / 2 for earlier, later in pairwise(waits))

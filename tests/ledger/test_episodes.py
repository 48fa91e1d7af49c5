"""What is known of one caller, folded into episodes: as stories, and whatever the order."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringnote.ledger.episodes import Happening, Kind, Stage, fold_episodes

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MOBILE, LANDLINE = "+12125550142", "+12125550143"


def at(minutes: int, kind: Kind, number: str = MOBILE, **over) -> Happening:
    """What happened so many minutes after nine; its subject is told by the minute."""
    is_decision = kind in (Kind.CLOSED, Kind.REOPENED)
    is_text = kind in (Kind.TEXT_IN, Kind.TEXT_OUT)
    subject = ("", 0) if is_decision else ("transcript" if is_text else "call", minutes)
    known = {"at": NINE + timedelta(minutes=minutes), "kind": kind, "number": number}
    return Happening(**(known | {"subject": subject} | over))


def of(*minutes: int) -> frozenset:
    """The calls that asked at these minutes: what a person closes or reopens."""
    return frozenset(("call", each) for each in minutes)


STORY = (
    at(0, Kind.ASKED),
    at(5, Kind.ASKED),
    at(10, Kind.DIALLED),
    at(12, Kind.TEXT_OUT),
    at(20, Kind.TEXT_IN),
    at(30, Kind.ANSWERED),
)


def test_a_caller_is_reached_after_an_attempt_and_a_text_and_each_step_is_told():
    stages = [fold_episodes(STORY[:count])[0].stage for count in range(1, len(STORY) + 1)]

    assert stages == [
        Stage.OPEN,
        Stage.OPEN,
        Stage.ATTEMPTED,
        Stage.TEXTED,
        Stage.REPLIED,
        Stage.DONE,
    ]


def test_the_call_that_was_answered_is_what_closed_it():
    [episode] = fold_episodes(STORY)

    assert episode.closing == STORY[-1]
    assert [ask.subject for ask in episode.asks] == [("call", 0), ("call", 5)]


def test_its_due_time_moves_on_with_each_attempt_and_comes_back_when_they_ask_again():
    dues = [fold_episodes(STORY[:count])[0].due_from for count in (1, 2, 3, 4, 5)]
    asked_again = fold_episodes([*STORY[:5], at(25, Kind.ASKED)])

    assert dues == [STORY[0].at, STORY[0].at, STORY[2].at, STORY[3].at, STORY[3].at]
    assert asked_again[0].due_from == NINE + timedelta(minutes=25)
    assert asked_again[0].stage is Stage.OPEN


def test_an_attempt_alone_never_closes():
    [episode] = fold_episodes([at(0, Kind.ASKED), *(at(n, Kind.DIALLED) for n in range(1, 9))])

    assert episode.is_open


def test_a_text_that_nobody_asked_for_joins_without_a_reply_being_told():
    [episode] = fold_episodes([at(0, Kind.ASKED), at(1, Kind.TEXT_IN, text="It is Rex")])

    assert episode.stage is Stage.OPEN
    assert episode.members[-1].text == "It is Rex"


@pytest.mark.parametrize("kind", [Kind.DIALLED, Kind.TEXT_IN, Kind.ANSWERED, Kind.CLOSED])
def test_what_is_no_asking_opens_nothing(kind):
    assert fold_episodes([at(0, kind)]) == []


def test_a_miss_after_it_was_closed_opens_a_new_one():
    closed, opened = fold_episodes([*STORY, at(40, Kind.ASKED)])

    assert (closed.stage, opened.stage) == (Stage.DONE, Stage.OPEN)
    assert opened.opened_at == NINE + timedelta(minutes=40)


def test_a_call_answered_before_they_asked_closes_nothing():
    [episode] = fold_episodes([at(0, Kind.ANSWERED), at(1, Kind.ASKED)])

    assert episode.is_open


def test_a_person_closes_it_and_may_reopen_it():
    asked, closed = at(0, Kind.ASKED), at(5, Kind.CLOSED, of=of(0), by="Kim", why="came in")
    reopened = at(9, Kind.REOPENED, of=of(0), by="Lee")

    [first] = fold_episodes([asked, closed])
    [again] = fold_episodes([asked, closed, reopened])

    assert (first.stage, first.closing) == (Stage.DONE, closed)
    assert (again.stage, again.closing) == (Stage.OPEN, None)
    assert again.due_from == reopened.at


def test_reopening_leaves_it_closed_while_a_later_one_is_open():
    first, second = fold_episodes(
        [
            at(0, Kind.ASKED),
            at(5, Kind.CLOSED, of=of(0)),
            at(7, Kind.ASKED),
            at(9, Kind.REOPENED, of=of(0)),
        ]
    )

    assert not first.is_open
    assert second.is_open


def test_reopening_leaves_it_closed_while_another_number_of_theirs_has_one_open():
    first, second = fold_episodes(
        [
            at(0, Kind.ASKED, client="C1"),
            at(5, Kind.CLOSED, of=of(0)),
            at(7, Kind.ASKED, LANDLINE, client="C1"),
            at(9, Kind.REOPENED, of=of(0)),
        ]
    )

    assert (first.is_open, second.is_open) == (False, True)


def test_a_person_does_not_close_what_they_did_not_know_of():
    under_way = at(4, Kind.ASKED)

    closed, left = fold_episodes([at(0, Kind.ASKED), under_way, at(5, Kind.CLOSED, of=of(0))])

    assert [ask.subject for ask in closed.asks] == [("call", 0)]
    assert [ask.subject for ask in left.asks] == [("call", 4)]
    assert left.is_open


def test_two_numbers_of_one_client_are_one_caller_and_the_older_stays():
    [episode] = fold_episodes(
        [at(0, Kind.ASKED, client="C1"), at(3, Kind.ASKED, LANDLINE, client="C1")]
    )

    assert (episode.number, len(episode.asks)) == (MOBILE, 2)


def test_two_that_were_open_are_merged_when_a_call_shows_that_they_are_one_caller():
    apart = [at(0, Kind.ASKED, client="C1"), at(3, Kind.ASKED, LANDLINE)]

    merged = fold_episodes([*apart, at(6, Kind.ASKED, LANDLINE, client="C1")])

    assert len(fold_episodes(apart)) == 2
    assert [len(each.asks) for each in merged] == [3]


def test_a_client_who_is_reached_on_another_number_was_reached():
    [episode] = fold_episodes(
        [at(0, Kind.ASKED, client="C1"), at(3, Kind.ANSWERED, LANDLINE, client="C1")]
    )

    assert episode.stage is Stage.DONE


def test_callers_who_are_not_known_to_be_one_are_two():
    assert len(fold_episodes([at(0, Kind.ASKED), at(3, Kind.ASKED, LANDLINE)])) == 2


def test_where_a_person_is_to_close_it_reached_stays_open():
    [episode] = fold_episodes([*STORY[:-1], at(30, Kind.ANSWERED, closes=False)])

    assert (episode.stage, episode.is_open) == (Stage.REACHED, True)


happenings = st.lists(
    st.builds(
        at,
        st.integers(0, 9),
        st.sampled_from(Kind),
        st.sampled_from([MOBILE, LANDLINE]),
        client=st.sampled_from(["", "C1", "C2"]),
        of=st.builds(of, st.integers(0, 9), st.integers(0, 9)),
    ),
    max_size=12,
)


@given(happenings, st.randoms(use_true_random=False))
def test_it_is_the_same_in_any_order(known, order: random.Random):
    shuffled = [*known, *known[:3]]
    order.shuffle(shuffled)

    assert fold_episodes(shuffled) == fold_episodes(known)


@given(happenings)
def test_a_number_never_has_two_open_ones(known):
    is_open = [each for each in fold_episodes(known) if each.is_open]

    numbers = [number for each in is_open for number in {ask.number for ask in each.asks}]
    clients = [each.client for each in is_open if each.client]
    assert len(set(numbers)) == len(numbers)
    assert len(set(clients)) == len(clients)


@given(happenings)
def test_whoever_asked_is_in_exactly_one(known):
    members = [ask for each in fold_episodes(known) for ask in each.asks]

    assert sorted(members, key=repr) == sorted(
        {each for each in known if each.kind is Kind.ASKED}, key=repr
    )


@given(happenings)
def test_only_evidence_or_a_person_closes_one(known):
    for episode in fold_episodes(known):
        if not episode.is_open:
            assert episode.closing.kind in (Kind.ANSWERED, Kind.CLOSED)
            assert episode.closing.at >= episode.opened_at

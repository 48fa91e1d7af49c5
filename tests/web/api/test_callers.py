"""Who is calling, as a screen-pop asks."""

import sqlalchemy as sa

from factories import make_client
from ringnote.access.identity import Scope
from ringnote.ledger.settle import settle_due
from ringnote.models import Callback
from ringnote.web.api.allowance import AT_ONCE, NAME, PER_SECOND, Allowance
from stories import CALLER

OTHER = "+12125550143"


def asked(program, clinic, number="212-555-0142"):
    return program.get(f"/clinics/{clinic.id}/lookup?number={number}")


def test_the_client_their_last_calls_and_the_open_callback_are_told(
    program, runtime, phone, clinic, jane
):
    phone.answered("u-1")
    phone.missed("u-2")
    settle_due(runtime)

    found = asked(program, clinic)

    assert (found["kind"], found["client"]) == ("client", "C1")
    assert [(each["call_uuid"], each["title"]) for each in found["calls"]] == [
        ("u-2", "Missed call"),
        ("u-1", "Incoming call answered by Amy (101)"),
    ]
    assert (found["callback"]["state"], found["callback"]["calls"]) == ("open", 1)


def test_the_calls_from_another_number_of_the_client_are_theirs(program, runtime, phone, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER, OTHER])
    phone.missed("u-1", OTHER)
    settle_due(runtime)

    found = asked(program, clinic)

    assert [each["call_uuid"] for each in found["calls"]] == ["u-1"]
    assert found["callback"]["number"] == OTHER


def test_a_closed_callback_is_not_told(program, runtime, phone, clinic, jane):
    phone.missed("u-1")
    settle_due(runtime)
    with runtime.db.transaction() as session:
        session.execute(sa.update(Callback).values(closed_at=phone.at))

    assert asked(program, clinic)["callback"] is None


def test_five_calls_are_told_at_most_and_none_of_a_stranger(program, runtime, phone, clinic, jane):
    for number in range(7):
        phone.answered(f"u-{number}")
    settle_due(runtime)

    assert [each["call_uuid"] for each in asked(program, clinic)["calls"]] == [
        "u-6",
        "u-5",
        "u-4",
        "u-3",
        "u-2",
    ]
    stranger = asked(program, clinic, "212-555-0177")
    assert (stranger["kind"], stranger["calls"], stranger["callback"]) == ("none", [], None)


def test_a_token_for_clients_alone_learns_of_no_calls(issue, runtime, phone, clinic, jane):
    phone.missed("u-1")
    settle_due(runtime)

    found = asked(issue(Scope.CLIENTS, name="pop"), clinic)

    assert (found["client"], found["calls"], found["callback"]) == ("C1", None, None)


def test_what_is_no_number_is_nobody_s(program, clinic):
    found = asked(program, clinic, "anonymous")

    assert (found["kind"], found["number"], found["calls"]) == ("withheld", None, [])


def test_a_token_that_asks_too_often_is_told_when_to_ask_again(app, program, clinic, jane):
    stopped = Allowance(clock=lambda: 0.0)
    app.extensions[NAME] = stopped
    for _ in range(int(AT_ONCE)):
        assert stopped.take("report")

    answer = program.ask(f"/clinics/{clinic.id}/lookup?number=212-555-0142")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


def test_an_allowance_fills_up_again_by_the_second_and_is_each_token_s_own():
    moments = iter([0.0] * int(AT_ONCE + 2) + [1.0] * int(PER_SECOND + 1))
    allowance = Allowance(clock=lambda: next(moments))

    assert [allowance.take("a") for _ in range(int(AT_ONCE))] == [True] * int(AT_ONCE)
    assert (allowance.take("a"), allowance.take("b")) == (False, True)
    assert [allowance.take("a") for _ in range(int(PER_SECOND) + 1)] == (
        [True] * int(PER_SECOND) + [False]
    )

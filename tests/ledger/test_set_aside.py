"""What a person is told of a refused entry: the PMS's words, what they mean, what can be done."""

import json

import pytest

from ringnote.ledger.set_aside import LEFT, is_left, read_words, tell_refusal


def a_try(status=422, answer=None, error="the PMS answered so", outcome="set_aside"):
    exchanges = [] if answer is None else [{"answer": answer, "status": status}]
    return {"outcome": outcome, "http_status": status, "error": error, "exchanges": exchanges}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"error": {"code": "invalid", "message": "title: must not be blank"}},
            "title: must not be blank",
        ),
        ({"errors": {"title": ["is long", "is rude"]}}, "title: is long; title: is rude"),
        ({"errors": {"due_at": "is in the past", "code": "E7"}}, "due_at: is in the past"),
        ({"body": ["may have 5 lines"], "errors": ["no"], "id": 7}, "no; body: may have 5 lines"),
        (
            {"message": "no", "errors": [{"field": "due", "message": "in the past"}]},
            "no; in the past",
        ),
        (
            {
                "resourceType": "OperationOutcome",
                "issue": [
                    {"code": "value", "diagnostics": "Bad date", "details": {"text": "Bad date"}}
                ],
            },
            "Bad date",
        ),
        ({"status": "error", "message": "Not  valid\n", "correlationId": "4f0c"}, "Not valid"),
        (["first", {"detail": "second"}], "second"),
        ({"id": "7", "name": "Jane"}, ""),
        ("Closed on Sundays", ""),
        (None, ""),
    ],
)
def test_its_words_are_found_wherever_a_pms_puts_them(answer, said):
    assert read_words(json.dumps(answer)) == said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, ""),
        ("", ""),
        ("<!doctype html><title>Oops</title>", ""),
        ("<OperationOutcome/>", ""),
        ("the file\nis closed", "the file is closed"),
        ('{"error": "cut off', '{"error": "cut off'),
        ("[" * 100_000, "[" * 299 + "…"),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 300, "x" * 300),
    ],
)
def test_what_is_no_json_is_told_as_it_is_unless_it_is_a_page(answer, said):
    assert read_words(answer) == said


@pytest.mark.parametrize(
    ("tried", "means"),
    [
        (a_try(404), "no such client any more"),
        (a_try(410), "no such client any more"),
        (a_try(400), "does not take this record"),
        (a_try(422), "does not take this record"),
        (a_try(None), "does not take this record"),
        (a_try(409), "clashes"),
        (a_try(423), "clashes"),
        (a_try(413), "longer than the PMS takes"),
        (a_try(422, '{"message": "body is too long"}'), "longer than the PMS takes"),
        (a_try(422, '{"message": "ensure this has at most 200 characters"}'), "longer than"),
        (a_try(503, error="given up after 3 days: the PMS answered 503"), "for three days"),
    ],
)
def test_each_refusal_says_what_it_means_and_what_to_do(tried, means):
    told = tell_refusal([tried], was_written=False)

    assert means in told["means"]
    assert told["to_do"].endswith(
        "What need not stand there may be left: nothing else waits for it."
    )


def test_of_what_stands_there_a_404_is_not_told_as_a_client_who_is_gone():
    assert "such client" not in tell_refusal([a_try(404)], was_written=True)["means"]


def test_the_last_refusal_counts_and_without_one_nothing_is_told():
    first, last = a_try(404), a_try(409)
    later = a_try(503, outcome="again")

    assert "clashes" in tell_refusal([first, last, later], was_written=False)["means"]
    assert tell_refusal([later], was_written=False) is None
    assert tell_refusal([], was_written=False) is None


def test_what_was_left_is_known_by_its_reason():
    assert is_left(f"kim {LEFT}")
    assert not is_left("the PMS answered 422")
    assert not is_left(None)

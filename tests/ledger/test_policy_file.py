"""A policy as one file: what is written is read again, and every fault is named at its place."""

import pytest

from ringnote.ledger.policy_checks import Surroundings, find_faults, find_warnings, normalised
from ringnote.ledger.policy_text import write_policy
from ringnote.ledger.rules import DAYS, Rules, read_stored
from ringnote.ledger.templates import own_templates
from ringnote.ledger.words_checks import VARIABLES, find_word_faults
from ringnote.toml_reading import read_toml

FULL = {
    "watch_only": True,
    "notes": {"inbound": [], "hours": "closed"},
    "callbacks": {"assignee": ["last_answered", "role:front desk"], "due_minutes": 5},
    "hours": {
        "monday": ["08:00-12:00", "13:00-18:00"],
        "holidays": [{"date": "12-25", "until": "12-26", "name": 'The "feast"', "open": []}],
    },
    "people": {"101": "amy"},
    "roles": {"front desk": "u-1"},
    "cases": [{"name": "x\ty", "when": {"queues": ["700"], "hours": "open"}, "note": False}],
    "names": {"queues": {"700": "Reception"}, "lines": {"+12125550100": "Main"}},
    "words": {"call": {"title": "{{ title }}", "body": "a\n'b' \\ \x7f\n{{ when }}"}},
}
AROUND = Surroundings("US", frozenset({"+12125550100", "Main line"}))


def faults(text):
    return [str(each) for each in read_toml(text, Rules)[1]]


def checks(said):
    return [str(each) for each in find_faults(Rules.model_validate(said), AROUND)]


def warnings(said):
    return [str(each) for each in find_warnings(Rules.model_validate(said), AROUND)]


@pytest.mark.parametrize("said", [{}, FULL])
def test_what_is_written_is_read_again_as_it_was(said):
    rules = Rules.model_validate(said)

    read, found = read_toml(write_policy(rules, ["A heading"], own_templates()), Rules)

    assert (read, found) == (rules, [])


def test_every_setting_is_in_the_file_with_its_meaning():
    text = write_policy(Rules())

    assert "due_minutes = 60" in text
    assert "# How long a person's pick for a shared number is remembered." in text
    assert "# The task is due so many minutes after the call" in text
    assert '# How urgent the task is. One of: "low", "normal", "high", "urgent".' in text


def test_all_faults_are_named_at_once_each_with_its_line():
    found = faults(
        'watch_onyl = true\n[callbacks]\noutcomes = ["mised"]\ndue_minutes = "60"\n'
        '[hours]\nmonday = ["18:00-18:00"]\n[[cases]]\nname = "a"\n[[cases]]\n'
        '[cases.when]\nhours = "openn"\n'
    )

    assert found == [
        "line 1, watch_onyl: there is no such setting; did you mean watch_only?",
        'line 3, callbacks.outcomes 1: "mised" is none of: answered, answered_then_voicemail,'
        " voicemail, missed, unknown; did you mean missed?",
        'line 4, callbacks.due_minutes: must be a whole number, not "60"',
        "line 6, hours.monday 1: '18:00-18:00' ends when it begins; the whole day is 00:00-24:00",
        "line 9, cases 2, name: is missing",
        'line 11, cases 2, when.hours: "openn" is none of: always, open, closed;'
        " did you mean open?",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "line 1: this is no TOML"),
        ("\n[x\n", "line 2: this is no TOML"),
        ("x" * 300_000, "over 262144 characters"),
        ("a = " + "[" * 5000, "this is no TOML"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text, says):
    [found] = faults(text)

    assert says in found


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"hours": {"timezone": "America/NewYork"}}, "did you mean America/New_York"),
        ({"hours": {"sunday": ["20:00-09:00"]}}, "it reaches into monday's hours"),
        ({"hours": {"monday": ["08:00-12:00", "11:00-18:00"]}}, "two of its spans overlap"),
        (
            {"hours": {day: [] for day in DAYS}},
            "the clinic is never open",
        ),
        (
            {"hours": {"holidays": [{"date": "12-24", "until": "12-26"}, {"date": "2026-12-25"}]}},
            "2026-12-25 is among the days of holiday 1 already",
        ),
        (
            {"hours": {"holidays": [{"date": "12-25", "name": "X"}, {"date": "12-25"}]}},
            "12-25 is among the days of X already",
        ),
        (
            {"hours": {"holidays": [{"date": "2026-12-25", "until": "2026-12-24"}]}},
            "2026-12-24 is before 2026-12-25",
        ),
        (
            {"hours": {"holidays": [{"date": "12-25", "until": "2026-12-26"}]}},
            "both with a year, or both for every year",
        ),
        ({"callbacks": {"assignee": ["role:dsk"]}, "roles": {"desk": "u"}}, "did you mean desk?"),
        ({"strangers": {"notes": "record"}}, "must name a client of the PMS"),
        (
            {"strangers": {"notes": "wait"}, "matching": {"unknown": "ignore"}},
            '"wait" contradicts matching.unknown = "ignore"',
        ),
        ({"ignore": {"numbers": ["12"]}}, '"12" is no telephone number'),
        ({"cases": [{"name": "a", "note": True}, {"name": "A", "note": True}]}, "case 1 is called"),
        ({"names": {"lines": {"Main": "Main"}}}, '"Main" is no telephone number'),
        (
            {"names": {"lines": {"212-555-0100": "A", "+1 212 555 0100": "B"}}},
            'is the same line as "212-555-0100"',
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(said, says):
    assert any(says in each for each in checks(said)), checks(said)


def test_what_is_no_name_is_told_with_its_line():
    found = faults('[names.queues]\n700 = "Reception"\nfront = "x"\n702 = " y"\n703 = ""\n')

    assert found == [
        'line 3, names.queues.front: "front" is no number of digits',
        "line 4, names.queues.702: is no name: write it on one line, without blanks around it",
        "line 5, names.queues.703: must not be empty",
    ]


def test_two_holidays_of_different_days_do_not_overlap():
    days = [{"date": "12-24", "until": "01-01"}, {"date": "2026-07-03"}, {"date": "2027-07-03"}]

    assert checks({"hours": {"holidays": days}}) == []


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"callbacks": {"outcomes": ["answered", "missed"]}}, "Every ring would become a task"),
        ({"cases": [{"name": "a", "callback": True}]}, "every ring it fits would become a task"),
        ({"callbacks": {"outcomes": []}}, "no call will ever become a callback task"),
        ({"watch_only": True}, "nothing is written to the PMS"),
        ({"callbacks": {"assignee": ["last_answered"]}}, "finds nobody while [people] is empty"),
        ({"cases": [{"name": "a"}]}, "changes nothing"),
        (
            {"cases": [{"name": "a", "note": True}, {"name": "b", "note": True}]},
            'is never reached, since "a" before it fits every call',
        ),
        ({"ignore": {"lines": ["Mian line"]}}, "did you mean Main line?"),
        (
            {"names": {"lines": {"+12125550109": "X"}}},
            "names.lines.+12125550109: the clinic has no",
        ),
        ({"names": {"queues": {"700": "Desk", "701": "desk"}}}, '"700" is called "desk" too'),
    ],
)
def test_what_is_hardly_meant_is_warned_of(said, says):
    assert checks(said) == []
    assert any(says in each for each in warnings(said)), warnings(said)


def test_a_default_policy_has_neither_faults_nor_warnings():
    assert (checks({}), warnings({}), list(find_word_faults(Rules()))) == ([], [], [])


def test_numbers_are_kept_as_e164_however_they_are_spelt():
    said = {
        "ignore": {"numbers": ["(212) 555-0177"], "lines": ["212-555-0100", "Fax"]},
        "cases": [{"name": "a", "when": {"lines": ["212 555 0100"]}, "note": True}],
    }

    said["names"] = {"lines": {"212-555-0100": "Main"}}
    rules = normalised(Rules.model_validate(said), "US")

    assert rules.names.lines == {"+12125550100": "Main"}
    assert rules.ignore.numbers == ["+12125550177"]
    assert rules.ignore.lines == ["+12125550100", "Fax"]
    assert rules.cases[0].when.lines == ["+12125550100"]


def test_whoever_ignores_the_unknown_leaves_all_of_strangers_and_says_so_once():
    said = {"matching": {"unknown": "ignore"}}
    rules = normalised(Rules.model_validate(said), "US")
    stored = Rules.model_validate(said).model_dump(mode="json")

    left = dict.fromkeys(("notes", "callbacks", "transcripts"), "leave")
    assert rules.strangers.model_dump() == left | {"record": ""}
    assert read_stored(stored) == rules
    assert checks(rules.model_dump(mode="json")) == []


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ whenn }}", 'in line 1 of the template: there is no variable "whenn"; did you mean'),
        ("a\n{{ title.__class__ }}", 'in line 2 of the template: "title.__class__" reaches for an'),
        ("{{ title['x'] }}", "reaches into something by [ ]"),
        ("{{ __import__ }}", "reaches for what is not a template's business"),
        ("{{ range(9) }}", "calls something"),
        ("{{ title * 1000000000 }}", "multiplies"),
        ("{{ 9 ** 9 ** 9 }}", "calculates"),
        ("{% set a = title ~ title %}{{ title }}", "sets a variable"),
        ("{% for a in title %}{{ a }}{% endfor %}", "loops over something else than a list"),
        ("{% include 'x' %}", "includes another template"),
        ("{% macro m() %}{% endmacro %}", "defines a macro"),
        ("{{ title | replace('a', title) }}", "there is no filter replace here"),
        ("{% if %}", "this is no template"),
        ("{{ " + "(" * 500 + "title" + ")" * 500 + " }}", "nested too deeply"),
    ],
)
def test_a_template_that_reaches_further_is_refused_with_line_and_reason(template, says):
    rules = Rules.model_validate({"words": {"call": {"body": template}}})

    found = [str(each) for each in find_word_faults(rules)]

    assert any(says in each for each in found), found


def test_a_loop_within_a_loop_is_refused():
    inner = "{% for b in messages %}{{ b.text }}{% endfor %}"
    body = f"{{% for a in messages %}}{inner}{{% endfor %}}"
    rules = Rules.model_validate({"words": {"transcript": {"body": body}}})

    assert any("loops within a loop" in str(each) for each in find_word_faults(rules))


def test_titles_know_no_times_and_counts():
    rules = Rules.model_validate({"words": {"callback": {"title": "{{ count }} calls"}}})

    [found] = find_word_faults(rules)

    assert 'there is no variable "count"' in str(found)


def test_a_language_that_is_not_spoken_is_refused():
    [found] = find_word_faults(Rules.model_validate({"words": {"language": "xx"}}))

    assert 'does not speak "xx" yet, but en' in str(found)


def test_ringnotes_own_templates_ask_for_nothing_that_templates_are_not_given():
    for (kind, part), known in VARIABLES.items():
        if part == "title":
            rules = Rules.model_validate({"words": {kind: {"title": "{{ title }}"}}})
            assert list(find_word_faults(rules)) == []
            assert known["title"]

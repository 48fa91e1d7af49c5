"""`ringnote policy`, as a clinic's consultant uses it."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_client, make_clinic, make_connection
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.delivery import outbox
from ringnote.delivery.wording import with_story
from ringnote.models import Entry, EntryKind, EntryState, Policy
from ringnote.sandbox.people import Caller
from ringnote.sandbox.phones import Office, PhoneSystem
from stories import CALLER, Phone, entries, settle


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db, name="Oak Street Vets", timezone="America/New_York")
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


def run(runtime, *words, given=None):
    words = ["policy", words[0], "Oak Street Vets", *words[1:]]
    return CliRunner().invoke(main, words, obj=runtime, input=given, catch_exceptions=False)


def value(runtime, *words, given=None):
    result = run(runtime, *words, "--json", given=given)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def count(runtime, kind):
    with runtime.db.reading() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(kind)).one()


def test_what_is_shown_can_be_edited_and_set_again(runtime, clinic):
    shown = run(runtime, "show").stdout
    edited = shown.replace("due_minutes = 60", "due_minutes = 30")

    same = run(runtime, "set", "-", given=shown)
    told = value(runtime, "set", "-", "--by", "Kim", given=edited)

    assert "nothing was changed" in same.stdout
    assert (told["version"], told["set_by"]) == (2, "Kim")
    assert told["changes"] == [{"place": "callbacks.due_minutes", "before": "60", "after": "30"}]
    assert "due_minutes = 30" in run(runtime, "show").stdout
    assert "due_minutes = 60" in run(runtime, "show", "--version", "1").stdout
    assert [each["version"] for each in value(runtime, "history")] == [2, 1]


def test_a_policy_with_faults_is_not_set_and_all_of_them_are_named(runtime, clinic):
    bad = "watch_onyl = true\n[callbacks]\ndue_minutes = 0\n[words.call]\ntitle = '{{ nam }}'\n"
    bad += "[hours]\ntimezone = 'America/Nowhere'\n[[hours.holidays]]\ndate = '02-30'\n"

    result = run(runtime, "set", "-", given=bad)
    checked = run(runtime, "check", "-", "--json", given=bad)

    assert result.exit_code == 1
    assert "The policy has 5 faults, so nothing was changed:" in result.stderr
    assert [each["line"] for each in json.loads(checked.stdout)["faults"]] == [1, 3, 5, 7, 9]
    assert checked.exit_code == 1
    assert count(runtime, Policy) == 1


def test_a_warning_is_told_and_keeps_nothing_from_being_set(runtime, clinic):
    every = '[callbacks]\noutcomes = ["answered", "missed"]\n'

    result = run(runtime, "set", "-", given=every)

    assert result.exit_code == 0
    assert "Warning: line 2, callbacks.outcomes" in result.stderr
    assert "Every ring would become a task" in result.stderr


def test_a_version_that_is_not_there_is_told_with_those_that_are(runtime, clinic):
    assert "there are 1 to 1" in run(runtime, "show", "--version", "9").stderr


def test_what_is_no_text_is_told_so(runtime, clinic):
    result = run(runtime, "check", "-", given=b"\xff\xfe")

    assert "is no text in UTF-8" in result.stderr


def test_a_policy_that_only_watches_writes_nothing_until_it_writes_again(runtime, db, clinic):
    make_connection(db, clinic)
    run(runtime, "set", "-", given="watch_only = true\n")
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    watched = [(each.state, each.reason) for each in entries(runtime)]
    claimed = outbox.claim(db, 10)
    run(runtime, "set", "-", given="watch_only = false\n")

    released = outbox.claim(db, 10)

    assert watched == [(EntryState.DUE, "watch only: nothing is written")] * 2
    assert claimed == []
    assert len(released) == 2


def test_what_is_under_way_rests_once_the_policy_only_watches(runtime, db, clinic):
    make_connection(db, clinic)
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    run(runtime, "set", "-", given="watch_only = true\n")

    assert outbox.claim(db, 10) == []


def test_a_call_keeps_the_version_that_decided_it(runtime, clinic):
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    settle(runtime)
    run(runtime, "set", "-", given='[notes]\ninbound = ["answered"]\n')
    phone.event("inboundCallCompleted", "u-1", extNumber="", callerIdNum=CALLER)
    phone.missed("u-2")

    settle(runtime)

    notes = [each for each in entries(runtime) if each.kind is EntryKind.NOTE]
    assert [each.is_wanted for each in notes] == [True]


def test_a_template_words_the_note_and_one_that_fails_gives_way(runtime, clinic):
    nothing = "{% if placed_by %}{% else %}{{ caller }} called{% endif %}"
    words = f"[words.call]\ntitle = '{{{{ title }}}} ({{{{ caller }}}})'\nbody = '{nothing}'\n"
    assert run(runtime, "set", "-", given=words).exit_code == 0
    phone = Phone(runtime, clinic)
    phone.answered("u-1")
    phone.dials("u-2")

    settle(runtime)

    contents = [each.content for each in entries(runtime)]
    named, unnamed = sorted(contents, key=lambda content: "placed" in content["title"])
    assert named["title"] == "Incoming call answered by Amy (101) (DOE JANE)"
    assert named["body"].splitlines()[0] == "DOE JANE called"
    assert "To (212) 555-0142" in unnamed["body"]
    assert "the policy's could not be used (body: it came to nothing)" in unnamed["body"]


def test_an_entry_leads_to_its_story_below_all_that_may_be_cut(runtime, db, clinic):
    make_connection(db, clinic)
    Phone(runtime, clinic).answered("u/1 &")
    settle(runtime)
    [work] = outbox.claim(db, 10)

    told = with_story(work, "https://ringnote.example.com")

    link = "How it came about: https://ringnote.example.com/call?uuid=u%2F1%20%26"
    assert told.content["tail"] == link
    assert with_story(work, "") == work


def test_a_preview_words_what_came_last_by_an_edited_file(runtime, clinic):
    phone = Phone(runtime, clinic)
    phone.text("Is Rex ready?")
    phone.answered("u-1")
    phone.missed("u-2")
    settle(runtime)
    edited = """
    [words.call]
    title = "Call: {{ number }}"
    [words.callback]
    body = "{{ count }}, due {{ due }}"
    [words.transcript]
    title = "Texts of {{ day }}"
    """

    shown = run(runtime, "preview", "--with", "-", "--last", "1", given="[words]")
    refused = run(runtime, "preview", "--with", "-", given=edited)
    edited = edited.replace("{{ day }}", "{{ number }}")
    note, task, texts = value(runtime, "preview", "--with", "-", "--last", "1", given=edited)

    headings = [line for line in shown.stdout.splitlines() if line[:1] not in " "]
    assert [each.partition(":")[0] for each in headings] == ["Note", "Task", "Transcript"]
    assert refused.exit_code == 1
    assert (note["kind"], note["key"], note["title"]) == ("note", "u-2", "Call: (212) 555-0142")
    assert (task["kind"], task["key"], task["is_done"]) == ("task", "u-2", False)
    assert task["body"].startswith("1, due ")
    assert (texts["kind"], texts["key"]) == ("transcript", "c-1")
    assert texts["title"] == "Texts of (212) 555-0142"
    assert "Is Rex ready?" in texts["body"]
    assert count(runtime, Policy) == 1


def live_two_weeks(runtime, clinic, calls=60):
    """The simulator's calls, spread over the last fortnight."""
    callers = [Caller(f"+1212555{number:04}", f"CALLER {number}") for number in range(130, 142)]
    phone = Phone(runtime, clinic)
    system = PhoneSystem(Office(clinic.container_id, clinic.tenant_id), callers, seed=7)
    began = utc_now() - timedelta(days=13)
    for number, planned in zip(range(calls), system.calls(), strict=False):
        start = began + timedelta(hours=5 * number, seconds=planned.after)
        for webhook in planned.webhooks:
            phone.at = start + timedelta(seconds=webhook.at)
            phone.post(webhook.body, webhook.content_type)
    settle(runtime)


def test_a_rehearsal_on_two_weeks_says_what_would_change_and_writes_nothing(runtime, clinic):
    live_two_weeks(runtime, clinic)
    before = [(each.id, each.version, each.state) for each in entries(runtime)]
    tasks = {each.subject_id for each in entries(runtime) if each.kind is EntryKind.TASK}
    notes = [each for each in entries(runtime) if each.kind is EntryKind.NOTE]
    edited = '[callbacks]\noutcomes = ["voicemail"]\n[notes]\noutbound = false\n'
    edited += '[matching]\nshared = "primary"\n'

    told = value(runtime, "rehearse", "--days", "14", "--with", "-", given=edited)
    said = run(runtime, "rehearse", "--with", "-", given=edited).stdout

    assert told["tasks"]["before"] == len(tasks)
    assert told["notes"]["before"] == len(notes)
    assert told["tasks"]["after"] < told["tasks"]["before"]
    lost = {each["number"] for each in told["callers_without_task"]}
    assert lost
    assert {each["outcome"] for each in told["notes_lost"]} == {"placed"}
    assert f"{told['tasks']['before']} -> {told['tasks']['after']} tasks" in said
    assert "would have no task:" in said
    assert "Not foreseen: matching.shared. " in said
    assert said.endswith("Nothing was written.\n")
    assert [(each.id, each.version, each.state) for each in entries(runtime)] == before
    assert count(runtime, Policy) == 1


def test_a_rehearsal_of_what_is_in_force_changes_nothing(runtime, clinic):
    live_two_weeks(runtime, clinic, calls=25)
    shown = run(runtime, "show").stdout

    told = value(runtime, "rehearse", "--with", "-", given=shown)

    for kind in ("notes", "tasks", "transcripts"):
        assert told[kind]["before"] == told[kind]["after"]
    assert told["transcripts"]["before"] == sum(
        each.kind is EntryKind.TRANSCRIPT for each in entries(runtime)
    )
    assert told["callers_without_task"] == told["callers_with_new_task"] == []
    assert count(runtime, Entry) > 0


def test_a_rehearsal_of_a_faulty_file_says_what_is_wrong(runtime, clinic):
    result = run(runtime, "rehearse", "--with", "-", given="x = 1\n")

    assert result.exit_code == 1
    assert "line 1, x: there is no such setting" in result.stderr

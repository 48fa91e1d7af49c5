"""A PMS that does something else than its description says, and what a trial tells of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fakes import MemoryConnector
from ringnote.connectors.base import NoteText, Phone, PmsClient, TaskStatus, Written
from ringnote.connectors.rest.trial import try_out
from ringnote.errors import OutcomeUnknown

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
ADA = PmsClient("C1", "Ada Ito", (Phone("(212) 555-0142"),))


class Pms(MemoryConnector):
    def __init__(self):
        super().__init__()
        self.clients = [ADA]

    def find_clients(self, number):
        return [ADA] if number == "+12125550142" else []


def told(pms, client="C1"):
    return {each.name: each.said for each in steps(pms, client) if each.is_fine is False}


def steps(pms, client="C1"):
    return list(try_out(pms, "US", None, client, NOW))


def test_nothing_is_wrong_where_a_pms_does_as_it_should():
    pms = Pms()

    assert told(pms) == {}
    assert pms.notes == pms.tasks == {}


@pytest.mark.parametrize(
    ("name", "does", "step", "said"),
    [
        ("find_clients", lambda number: [], "Search by number", "look at find_clients"),
        (
            "iter_clients",
            lambda cursor: iter(()),
            "List the first page of clients",
            "look at items",
        ),
        ("find_by_reference", lambda *_: "N9", "Look for a note that is not there", "find_note"),
        ("find_by_reference", lambda *_: None, "Find the note by its reference", "found nothing"),
        ("get_note", lambda pms_id: NoteText("", ""), "Change the note", "reads otherwise"),
        (
            "get_task",
            lambda pms_id: TaskStatus(True),
            "Change the task",
            "look at get_task.is_done",
        ),
        ("get_task", lambda pms_id: TaskStatus(False), "Complete the task", "it reads as open"),
    ],
)
def test_what_a_pms_does_otherwise_is_told_with_where_to_look(monkeypatch, name, does, step, said):
    pms = Pms()
    monkeypatch.setattr(pms, name, does)

    assert said in told(pms)[step]


def test_a_key_that_is_not_heeded_is_told_with_what_to_remove_by_hand(monkeypatch):
    pms = Pms()
    ids = iter(["N1", "N2"])
    monkeypatch.setattr(pms, "create_note", lambda note, key: Written(next(ids)))

    assert "also as N2: remove that by hand" in told(pms)["Write the note again"]


def test_what_cannot_be_removed_is_told_and_is_no_fault(monkeypatch):
    pms = Pms()
    able = replace(pms.capabilities, delete_note=False)
    monkeypatch.setattr(pms, "capabilities", able)

    [removal] = [each for each in steps(pms) if each.name == "Remove the note"]

    assert removal.is_fine is None
    assert f"remove {next(iter(pms.notes))} by hand" in removal.said


def test_what_was_written_is_removed_though_nobody_looks_on_to_the_end():
    pms = Pms()
    trial = try_out(pms, "US", None, "C1", NOW)
    while not pms.notes:
        next(trial)
    trial.close()

    assert pms.notes == {}


def test_a_create_without_an_answer_is_told_with_what_to_look_for():
    pms = Pms()
    pms.failures = [(OutcomeUnknown("no answer"), True)]

    assert "for a trial to remove by hand" in told(pms)["Write a note"]


def test_nothing_is_written_where_no_client_is_named():
    pms = Pms()

    assert told(pms, client=None) == {}
    assert "create_note" not in pms.calls

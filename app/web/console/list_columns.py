"""What the columns of an uploaded client list are: guessed, shown with rows, and read from the form
in which a person corrects them. The pages of the import call it."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from flask import current_app, request

from ...directory.column_choices import Choice, recall_choice
from ...directory.csv_clients import ListFile
from ...directory.csv_columns import Columns, guess_columns
from ...directory.csv_text import Row
from ...directory.uploads import State, Upload
from ...errors import InputError
from ...models import Clinic
from ...runtime import Runtime

SAMPLES = 5
SHOWN_COLUMNS = 200
LONGEST_CELL = 80
HOLDS = {
    "": "Not used",
    "id": "Client's id",
    "name": "Name",
    "first": "First name",
    "last": "Last name",
    "phones": "Phone number",
    "patients": "Patients",
}
"""What a column may hold, as a person chooses it."""
SINGLE = ("id", "name", "first", "last")


def get_runtime() -> Runtime:
    """The runtime of the application that serves."""
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime


def tell_columns(clinic: Clinic, upload: Upload, state: State) -> dict[str, Any]:
    """The list's columns with what each is taken for, and the first of its rows."""
    listed = ListFile(upload.list)
    columns = guess(clinic, listed.headings, state.choice)
    rows = (row.cells for row in listed.rows() if isinstance(row, Row))
    samples = [[cell[:LONGEST_CELL] for cell in row] for row in islice(rows, SAMPLES)]
    return {
        "columns": [
            {
                "heading": heading,
                "holds": request.form.get(f"column-{place}", _holds(columns, place)),
                "cells": [row[place] if place < len(row) else "" for row in samples],
            }
            for place, heading in enumerate(listed.headings[:SHOWN_COLUMNS])
        ],
        "more": max(len(listed.headings) - SHOWN_COLUMNS, 0),
        "holds": HOLDS,
        "is_guessed": columns is not None and columns.id >= 0 and bool(columns.phones),
    }


def guess(clinic: Clinic, headings: Sequence[str], choice: Choice | None = None) -> Columns | None:
    """What the columns are, as far as that can be told; None where there are no headings."""
    with get_runtime().db.reading() as session:
        known = choice or recall_choice(session, clinic.id, headings)
    try:
        return guess_columns(headings, known)
    except InputError:
        return None


def _holds(columns: Columns | None, place: int) -> str:
    if columns is None:
        return ""
    if place in columns.phones:
        return "phones"
    if place in columns.patients:
        return "patients"
    return next((what for what in SINGLE if getattr(columns, what) == place), "")


def read_form(headings: Sequence[str]) -> Choice:
    """What the form says of each column. Raises InputError where that cannot be."""
    choice: Choice = {what: [] for what in HOLDS if what}
    for place, heading in enumerate(headings[:SHOWN_COLUMNS]):
        what = request.form.get(f"column-{place}", "")
        if what in choice:
            choice[what].append(heading)
    for what in SINGLE:
        if len(choice[what]) > 1:
            raise InputError(f"Only one column can be the {HOLDS[what].lower()}.")
    lacks = [f"the {HOLDS[what].lower()}" for what in ("id", "phones") if not choice[what]]
    if lacks:
        raise InputError(f"Say which column holds {' and which '.join(lacks)}.")
    return choice

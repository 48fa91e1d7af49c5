"""The console's pages of a clinic's clients: how they are followed, and importing a list of them.

The list lies in the data folder until a worker has taken it in; see `directory/uploads.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from flask import (
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from ...directory.clients import count_clients
from ...directory.column_choices import Choice, recall_choice
from ...directory.csv_clients import ListFile
from ...directory.csv_columns import Columns, find_columns, guess_columns
from ...directory.csv_text import Row
from ...directory.sync_state import tell_syncs
from ...directory.uploads import AT_WORK, Stage, State, Upload, forget_old, too_large
from ...errors import InputError
from ...models import Clinic, Role
from ...runtime import Runtime
from ..access import needs, who
from .pages import BIGGEST_ID_DIGITS, console, list_clinics

LARGEST = 32 * 1024 * 1024
"""Bytes of a list; far more than the largest clinic's."""
LARGEST_FORM = 1024 * 1024
FORM_BESIDES = 64 * 1024
"""What a form has beside its file, at most."""
LONGEST_NAME = 120
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


@console.url_value_preprocessor
def limit(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Keep forms small, but for that of a list; before anything of them is read."""
    is_list = (endpoint or "").endswith(".upload_list")
    request.max_content_length = LARGEST + FORM_BESIDES if is_list else LARGEST_FORM


@console.errorhandler(RequestEntityTooLarge)
def refuse_size(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    """What is too large, and what to do."""
    return render_template("ringnote/console/cannot.html", why=too_large(LARGEST)), 413


@console.get("/clients")
@needs(Role.VIEWER)
def clients() -> ResponseReturnValue:
    """Each clinic's clients: how many there are, and how they are followed."""
    runtime = _runtime()
    with runtime.db.reading() as session:
        mine = list_clinics(session)
        ids = [clinic.id for clinic in mine]
        counts, syncs = count_clients(session, ids), tell_syncs(session, runtime.db, ids)
    told = [
        {"clinic": each, "count": counts.get(each.id, 0), "sync": syncs.get(each.id)}
        for each in mine
    ]
    return render_template("ringnote/console/clients.html", here="clients", told=told)


@console.get("/clients/import")
@needs(Role.OPERATOR)
def import_list() -> ResponseReturnValue:
    """How far the import of a list is, and what comes next."""
    return render_template("ringnote/console/import.html", here="clients", **_shown())


@console.get("/clients/import/progress")
@needs(Role.OPERATOR)
def import_progress() -> ResponseReturnValue:
    """The part of that page which changes, for its script."""
    response = make_response(render_template("ringnote/console/import_now.html", **_shown()))
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    return response.make_conditional(request)


@console.post("/clients/import/upload")
@needs(Role.OPERATOR)
def upload_list() -> ResponseReturnValue:
    """Take in a list; nothing is done with it yet."""
    clinic, upload = _mine(request.form)
    given = request.files.get("list")
    if given is None or not given.filename:
        raise InputError("Choose the file first: the list of clients as the PMS exports it.")
    name, by = given.filename.rpartition("/")[2][:LONGEST_NAME], who().name
    upload.put(given.stream, LARGEST, State(Stage.COLUMNS, name, by))
    try:
        ListFile(upload.list)
    except InputError:
        upload.clear()
        raise
    return _back(clinic)


@console.post("/clients/import/check")
@needs(Role.OPERATOR)
def check_list() -> ResponseReturnValue:
    """Have the list read whole with these columns; nothing is written to the directory."""
    clinic, upload = _mine(request.form)
    with upload.held():
        state = _at(upload, Stage.COLUMNS)
        headings = ListFile(upload.list).headings
        choice = _read_choice(headings)
        chosen = find_columns(headings, choice)
        is_corrected = chosen != _guess(clinic, headings)
        begun = State(Stage.CHECKING, state.name, who().name, choice, is_corrected)
        upload.begin(begun)
    _runtime().waker.notify()
    return _back(clinic)


@console.post("/clients/import/columns")
@needs(Role.OPERATOR)
def change_columns() -> ResponseReturnValue:
    """Back to what the columns are."""
    clinic, upload = _mine(request.form)
    with upload.held():
        state = _at(upload, Stage.CHECKED)
        upload.rejected.unlink(missing_ok=True)
        upload.write(replace(state, stage=Stage.COLUMNS))
    return _back(clinic)


@console.post("/clients/import/commit")
@needs(Role.OPERATOR)
def commit_list() -> ResponseReturnValue:
    """Have the list that was checked taken into the directory."""
    clinic, upload = _mine(request.form)
    with upload.held():
        state = _at(upload, Stage.CHECKED)
        upload.begin(replace(state, stage=Stage.IMPORTING, by=who().name))
    _runtime().waker.notify()
    return _back(clinic)


@console.post("/clients/import/stop")
@needs(Role.OPERATOR)
def stop_import() -> ResponseReturnValue:
    """Stop what is under way, or delete what lies there."""
    clinic, upload = _mine(request.form)
    upload.stop()
    return _back(clinic)


@console.get("/clients/import/rejected.csv")
@needs(Role.OPERATOR)
def rejected_rows() -> Response:
    """The rows that could not be taken, each with its line and the reason."""
    clinic, upload = _mine(request.args)
    if not upload.rejected.exists():
        abort(404)
    name = f"rejected-{clinic.id}.csv"
    return send_file(
        upload.rejected, "text/csv", as_attachment=True, download_name=name, max_age=0, etag=False
    )


def _shown() -> dict[str, Any]:
    clinic, upload = _mine(request.args)
    state = upload.read()
    shown: dict[str, Any] = {"clinic": clinic, "state": state, "largest": LARGEST // 1024**2}
    if state is None:
        return shown
    shown["is_at_work"] = state.stage in AT_WORK
    shown["has_rejected"] = upload.rejected.exists()
    if state.stage is Stage.COLUMNS:
        shown |= _columns(clinic, upload, state)
    return shown


def _columns(clinic: Clinic, upload: Upload, state: State) -> dict[str, Any]:
    """The list's columns with what each is taken for, and the first of its rows."""
    listed = ListFile(upload.list)
    columns = _guess(clinic, listed.headings, state.choice)
    rows = (row.cells for row in listed.rows() if isinstance(row, Row))
    samples = [[cell[:LONGEST_CELL] for cell in row] for row in islice(rows, SAMPLES)]
    return {
        "columns": [
            {
                "heading": heading,
                "holds": _holds(columns, place),
                "cells": [row[place] if place < len(row) else "" for row in samples],
            }
            for place, heading in enumerate(listed.headings[:SHOWN_COLUMNS])
        ],
        "more": max(len(listed.headings) - SHOWN_COLUMNS, 0),
        "holds": HOLDS,
        "is_guessed": columns is not None and columns.id >= 0 and bool(columns.phones),
    }


def _guess(clinic: Clinic, headings: Sequence[str], choice: Choice | None = None) -> Columns | None:
    """What the columns are, as far as that can be told; None where there are no headings."""
    with _runtime().db.reading() as session:
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


def _read_choice(headings: Sequence[str]) -> Choice:
    """What the form says of each column. Raises InputError where that cannot be."""
    choice: Choice = {what: [] for what in HOLDS if what}
    for place, heading in enumerate(headings[:SHOWN_COLUMNS]):
        what = request.form.get(f"column-{place}", "")
        if what in choice:
            choice[what].append(heading)
    for what in SINGLE:
        if len(choice[what]) > 1:
            raise InputError(f"Only one column can be the {HOLDS[what].lower()}.")
    for what in ("id", "phones"):
        if not choice[what]:
            raise InputError(f"Say which column holds the {HOLDS[what].lower()}.")
    return choice


def _at(upload: Upload, stage: Stage) -> State:
    state = upload.read()
    if state is None or state.stage is not stage:
        raise InputError("The import has gone on meanwhile; look at its page again.")
    return state


def _mine(given: Any) -> tuple[Clinic, Upload]:
    """The clinic that is asked for, and its upload; one that is not theirs is not there."""
    asked = given.get("clinic", "")
    if not (asked.isascii() and asked.isdecimal()) or len(asked) > BIGGEST_ID_DIGITS:
        abort(404)
    runtime = _runtime()
    with runtime.db.reading() as session:
        clinic = session.get(Clinic, int(asked))
    if clinic is None or not who().has_clinic(clinic.id):
        abort(404)
    upload = Upload(runtime.settings.data_dir, clinic.id)
    forget_old(upload, runtime.clock())
    return clinic, upload


def _back(clinic: Clinic) -> ResponseReturnValue:
    return redirect(url_for(".import_list", clinic=clinic.id))


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime

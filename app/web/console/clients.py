"""The console's pages of a clinic's clients: how they are followed, and importing a list of them.

The list lies in the data folder until a worker has taken it in; see `directory/uploads.py`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from flask import (
    Response,
    abort,
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
from ...directory.csv_clients import ListFile
from ...directory.csv_columns import find_columns
from ...directory.sync_state import tell_syncs
from ...directory.upload_work import is_drastic
from ...directory.uploads import AT_WORK, Stage, State, Upload, forget_old, too_large
from ...errors import InputError
from ...models import Clinic, Role
from ..access import needs, who
from .list_columns import get_runtime, guess, read_form, tell_columns
from .pages import BIGGEST_ID_DIGITS, console, list_clinics

View = Callable[[], ResponseReturnValue]
LARGEST = 32 * 1024 * 1024
"""Bytes of a list; far more than the largest clinic's."""
LARGEST_FORM = 1024 * 1024
FORM_BESIDES = 64 * 1024
"""What a form has beside its file, at most."""
LONGEST_NAME = 120


@console.url_value_preprocessor
def limit(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Keep forms small, but for that of a list; before anything of them is read."""
    is_list = (endpoint or "").endswith(".upload_list")
    request.max_content_length = LARGEST + FORM_BESIDES if is_list else LARGEST_FORM


@console.errorhandler(RequestEntityTooLarge)
def refuse_size(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    """What is too large, and what to do; of a list, on the page from which it came."""
    why = too_large(LARGEST)
    if (request.endpoint or "").endswith(".upload_list") and "clinic" in request.args:
        return _refused(why, request.args), 413
    return render_template("ringnote/console/cannot.html", why=why), 413


def stays(view: View) -> View:
    """Have what a step of the import refuses told on the import's page, where it can be mended."""

    @wraps(view)
    def tried() -> ResponseReturnValue:
        try:
            return view()
        except InputError as error:
            return _refused(str(error), request.form), 400

    return tried


@console.get("/clients")
@needs(Role.VIEWER)
def clients() -> ResponseReturnValue:
    """Each clinic's clients: how many there are, and how they are followed."""
    runtime = get_runtime()
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
    return _page(request.args)


@console.get("/clients/import/progress")
@needs(Role.OPERATOR)
def import_progress() -> ResponseReturnValue:
    """The part of that page which changes, for its script."""
    response = make_response(_page(request.args, "import_now"))
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    return response.make_conditional(request)


@console.post("/clients/import/upload")
@needs(Role.OPERATOR)
@stays
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
@stays
def check_list() -> ResponseReturnValue:
    """Have the list read whole with these columns; nothing is written to the directory."""
    clinic, upload = _mine(request.form)
    with upload.held():
        state = _at(upload, Stage.COLUMNS)
        headings = ListFile(upload.list).headings
        choice = read_form(headings)
        chosen = find_columns(headings, choice)
        is_corrected = chosen != guess(clinic, headings)
        begun = State(Stage.CHECKING, state.name, who().name, choice, is_corrected)
        upload.begin(begun)
    get_runtime().waker.notify()
    return _back(clinic)


@console.post("/clients/import/columns")
@needs(Role.OPERATOR)
@stays
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
@stays
def commit_list() -> ResponseReturnValue:
    """Have the list that was checked taken into the directory."""
    clinic, upload = _mine(request.form)
    with upload.held():
        state = _at(upload, Stage.CHECKED)
        removes = _read_removal(state)
        upload.begin(replace(state, stage=Stage.IMPORTING, by=who().name, removes=removes))
    get_runtime().waker.notify()
    return _back(clinic)


@console.post("/clients/import/stop")
@needs(Role.OPERATOR)
@stays
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


def _page(given: Any, name: str = "import", **more: Any) -> str:
    shown = _shown(given) | more
    return render_template(f"ringnote/console/{name}.html", here="clients", **shown)


def _refused(why: str, given: Any) -> str:
    return _page(given, refused=why)


def _shown(given: Any) -> dict[str, Any]:
    clinic, upload = _mine(given)
    state = upload.read()
    shown: dict[str, Any] = {"clinic": clinic, "state": state, "largest": LARGEST // 1024**2}
    shown |= {"largest_bytes": LARGEST, "too_large": too_large(LARGEST)}
    if state is None:
        return shown
    shown["is_at_work"] = state.stage in AT_WORK
    shown["has_rejected"] = upload.rejected.exists()
    shown["is_drastic"] = is_drastic(state.counts)
    if state.stage is Stage.COLUMNS:
        shown |= tell_columns(clinic, upload, state)
    return shown


def _read_removal(state: State) -> int | None:
    """How many clients may be marked as deleted, as a person was shown and agreed; None: none."""
    if not request.form.get("replace"):
        return None
    missing = state.counts.get("missing", 0)
    if request.form.get("missing") != str(missing):
        raise InputError("The list was checked again meanwhile; look at the numbers again.")
    typed = request.form.get("agreed", "").strip().replace(",", "")
    if is_drastic(state.counts) and typed != str(missing):
        raise InputError(
            f"Nothing was imported: to mark so many clients as deleted, type how many they are,"
            f" {missing:,}. To import the list without, leave the box unticked."
        )
    return missing


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
    runtime = get_runtime()
    with runtime.db.reading() as session:
        clinic = session.get(Clinic, int(asked))
    if clinic is None or not who().has_clinic(clinic.id):
        abort(404)
    upload = Upload(runtime.settings.data_dir, clinic.id)
    forget_old(upload, runtime.clock())
    return clinic, upload


def _back(clinic: Clinic) -> ResponseReturnValue:
    return redirect(url_for(".import_list", clinic=clinic.id))

"""The pretend PMS's pages: its clients, a client's record as it grows, and the fault switches.

They have no sign-in, so they answer this machine alone. The same rule guards the fault switches'
JSON, through which tests switch them.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from flask import (
    Blueprint,
    Response,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as AnyResponse

from ..web.assets import SHARED
from ..web.door import is_at_this_machine
from .bodies import read_body
from .faults import Fault, FaultKind, Faults
from .file import Refused
from .record_pages import add_record_pages
from .store import Store

PAGE = 25
FEED = 12
RECORD = 200
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FAULT_WORDS = {
    FaultKind.RATE_LIMIT: ("Too many requests", "429 with Retry-After. Nothing is written."),
    FaultKind.SERVER_ERROR: ("Server error", "500. Nothing is written."),
    FaultKind.UNAUTHORIZED: ("Token refused", "401, as if the token had been taken back."),
    FaultKind.SLOW: ("Slow", "Every answer waits first."),
    FaultKind.DROP_BEFORE: ("Dropped before writing", "No answer, and nothing is written."),
    FaultKind.DROP_AFTER: ("Dropped after writing", "No answer, but the record is written."),
    FaultKind.HTML: ("A web page for an answer", "Written, but HTML comes back, not JSON."),
    FaultKind.TRUNCATED: ("Half an answer", "Written, but the JSON that comes back is cut off."),
    FaultKind.EMPTY: ("An answer of nothing", "Written, but {} comes back, under 200."),
    FaultKind.REFUSED: ("Record refused", "422: the client's file is locked. Nothing is written."),
    FaultKind.ERROR_INSIDE: ("An error under 200", "Nothing is written, as the answer says."),
}
TIMED = (FaultKind.SLOW, FaultKind.RATE_LIMIT)


class SwitchBody(BaseModel):
    """A fault to be switched on for `count` requests (None: all of them; 0: switched off)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["none"] | FaultKind
    count: Annotated[int, Field(ge=0, le=100_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=600)] = 3.0
    status: Annotated[int, Field(ge=500, le=599)] = 500
    only: Literal["all", "writes"] | None = None

    def as_fault(self, kind: FaultKind) -> Fault:
        # A dropped reading request shows nothing that a slow one does not, and a refused record is
        # one that is written, so by default these wait for a write.
        waits = kind in (FaultKind.DROP_AFTER, FaultKind.DROP_BEFORE, FaultKind.REFUSED)
        only = self.only or ("writes" if waits else "all")
        return Fault(kind, self.count, self.seconds, self.status, only_writes=only == "writes")


def make_pages(store: Store, faults: Faults) -> Blueprint:
    """The pages over `store`, and the switches of `faults`."""
    pages = Blueprint("pages", __name__)
    pages.add_app_template_filter(_initials, "initials")
    pages.add_app_template_filter(_tint, "tint")
    pages.add_app_template_filter(_when, "when")
    pages.add_app_template_filter(_look, "look")
    pages.before_request(_this_machine_alone)

    @pages.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.context_processor
    def in_force() -> dict[str, Any]:
        return {"active_faults": faults.active()}

    @pages.get("/shared/<path:filename>")
    def shared(filename: str) -> Response:
        return send_from_directory(SHARED, filename)

    _add_client_pages(pages, store)
    add_record_pages(pages, store)
    _add_fault_pages(pages, faults)
    return pages


def _add_client_pages(pages: Blueprint, store: Store) -> None:
    @pages.get("/")
    def home() -> str:
        q = request.args.get("q", "").strip()[:100]
        page = max(1, min(request.args.get("page", 1, type=int), 10_000))
        found = store.clients.search(q, PAGE + 1, (page - 1) * PAGE)
        return render_template(
            "home.html",
            here="home",
            q=q,
            page=page,
            clients=found[:PAGE],
            has_more=len(found) > PAGE,
            total=store.clients.count(),
            records=store.records.newest(FEED),
        )

    @pages.get("/feed")
    def feed() -> Response:
        return _fragment("feed.html", records=store.records.newest(FEED))

    @pages.get("/clients/<client_id>")
    def client(client_id: str) -> str:
        found = store.clients.get(client_id)
        return render_template("client.html", client=found, **_record_of(store, client_id))

    @pages.post("/clients/<client_id>/merge")
    def merge(client_id: str) -> AnyResponse:
        into = request.form.get("into", "").strip()
        store.clients.merge(client_id, into)
        return redirect(url_for("pages.client", client_id=into), 303)

    @pages.get("/clients/<client_id>/record")
    def record(client_id: str) -> Response:
        store.clients.get(client_id)
        return _fragment("record.html", **_record_of(store, client_id))


def _add_fault_pages(pages: Blueprint, faults: Faults) -> None:
    def in_words() -> dict[str, Any]:
        active = {fault.kind: fault for fault in faults.active()}
        return {"words": FAULT_WORDS, "active": active, "timed": TIMED}

    def as_json() -> Response:
        return jsonify(faults=[fault.as_json() for fault in faults.active()])

    @pages.get("/faults")
    def faults_page() -> Response | str:
        best = request.accept_mimetypes.best_match(["text/html", "application/json"])
        if best == "application/json" and not request.accept_mimetypes.accept_html:
            return as_json()
        kinds = [kind.value for kind in FaultKind]
        return render_template("faults.html", here="faults", kinds=kinds, **in_words())

    @pages.get("/faults/switches")
    def switches() -> Response:
        return _fragment("switches.html", **in_words())

    @pages.post("/faults")
    def switch() -> Response | AnyResponse:
        body = read_body(SwitchBody) if request.is_json else _read_form()
        if body.kind == "none":
            faults.switch_off()
        elif body.count == 0:
            faults.switch_off(body.kind)
        else:
            faults.switch_on(body.as_fault(body.kind))
        return as_json() if request.is_json else redirect(url_for("pages.faults_page"), 303)

    @pages.delete("/faults")
    def switch_off() -> Response:
        faults.switch_off()
        return as_json()


def _read_form() -> SwitchBody:
    # "For all requests" is a button that follows the number typed beside it.
    count = (request.form.getlist("count") or ["1"])[-1]
    values: dict[str, Any] = {
        "kind": request.form.get("kind", ""),
        "count": None if count == "all" else count,
        "seconds": request.form.get("seconds", "3"),
    }
    try:
        return SwitchBody.model_validate(values, strict=False)
    except ValueError:
        raise Refused(422, "invalid", "a fault needs a kind, and a count from 1") from None


def _record_of(store: Store, client_id: str) -> dict[str, Any]:
    records = store.records.newest(RECORD, client_id)
    tasks = [record for record in records if record["kind"] == "task"]
    return {
        "notes": [record for record in records if record["kind"] == "note"],
        "tasks": sorted(tasks, key=lambda task: task["status"] == "done"),
    }


def _fragment(template: str, **values: Any) -> Response:
    """A part of a page, with an ETag so that an unchanged one costs nothing."""
    response = make_response(render_template(template, **values))
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:24])
    response.make_conditional(request)
    return response


def _this_machine_alone() -> None:
    if not is_at_this_machine(request):
        raise Refused(
            403, "forbidden", "these pages answer this machine alone, as localhost or 127.0.0.1"
        )
    # A foreign web page must not switch faults by posting a form.
    origin = request.headers.get("Origin")
    if origin and f"{origin}/" != request.host_url:
        raise Refused(403, "forbidden", "this came from another site")


def _initials(name: str) -> str:
    words = name.split()
    return "".join(word[0] for word in [words[0], *words[1:][-1:]]).upper() if words else "?"


def _tint(client_id: str) -> int:
    return sum(map(ord, client_id)) % 6


def _when(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _look(title: str) -> str:
    title = title.lower()
    if "text" in title:
        return "text"
    if "voicemail" in title:
        return "voicemail"
    if "missed" in title or "unanswered" in title:
        return "missed"
    return "outbound" if "placed" in title else "inbound"

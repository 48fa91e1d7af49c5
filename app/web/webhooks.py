"""`/webhooks/<token>`: takes what the phone system posts, and answers once it is durable.

Reads nothing itself: the raw bytes go to telephony's ingest with their time of receipt.
"""

import base64
import hashlib
import time

from flask import Blueprint, Response, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ..errors import WebhookError
from ..logs import get_logger
from ..metrics.tally import Answer, Tally
from ..models import EventStatus
from ..runtime import Runtime
from ..telephony.drain import Drain
from ..telephony.ingest import take
from ..telephony.store import Receipt
from ..telephony.tokens import find_clinic_by_token
from .access import open_to_all
from .headers import PLAIN_CONTENT, set_headers

MAX_BODY_BYTES = 64 * 1024
RETRY_AFTER_SECONDS = 30
STYLE = (
    "body{font:1.05rem/1.55 system-ui,sans-serif;margin:12vh auto;max-width:36rem;padding:0 1.5rem;"
    "color:#1d2733;background:#f6f8fa}h1{font-size:1.5rem}"
    "@media(prefers-color-scheme:dark){body{color:#e3e9ef;background:#15191e}}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

REFUSALS = {404: Answer.UNKNOWN, 413: Answer.TOO_LARGE, 503: Answer.UNAVAILABLE}

log = get_logger(__name__)
blueprint = Blueprint("webhooks", __name__, template_folder="templates")
set_headers(blueprint, f"{PLAIN_CONTENT}; style-src 'sha256-{STYLE_HASH}'")


@blueprint.post("/webhooks/<token>")
@open_to_all()
def receive(token: str) -> ResponseReturnValue:
    """Keep one webhook; 200 means that it is durable."""
    runtime: Runtime = current_app.extensions["ringnote"]
    received_at = runtime.clock()
    body = _read_body()
    content_type = request.headers.get("Content-Type", "")
    receipt = take(runtime, token, body, content_type, received_at)
    g.ringnote_answer = _name(receipt)
    drain: Drain = current_app.extensions["ringnote.drain"]
    drain.look()
    answer = {"status": str(receipt.status)}
    if receipt.reason is not None:
        answer["reason"] = receipt.reason
    return jsonify(answer)


@blueprint.get("/webhooks/<token>")
@open_to_all()
def explain(token: str) -> ResponseReturnValue:
    """What a person sees who pastes the address into a browser."""
    runtime: Runtime = current_app.extensions["ringnote"]
    with runtime.db.reading() as session:
        clinic = find_clinic_by_token(session, token, runtime.clock())
    if clinic is None:
        return _page(
            "No clinic has this address",
            "Perhaps a part of it is missing, or it was renewed since. Copy the whole address, or"
            " make a new one with “ringnote clinic rotate-url”.",
        ), 404
    return _page(
        "This address works",
        f"It is where the phone system tells of the calls and texts of {clinic.name}. There is"
        " nothing more to see here: it listens to the phone system only.",
        "Enter it, whole and as it is, in every webhook tab of the phone system. Whoever has it can"
        " post to it, so keep it as you would keep a password.",
    )


@blueprint.before_request
def begin() -> None:
    if request.method == "POST":
        g.ringnote_begun = time.monotonic()


@blueprint.after_request
def count(response: Response) -> Response:
    begun = g.pop("ringnote_begun", None)
    # Where a host turned it away, there is none.
    if begun is not None:
        answer = g.pop("ringnote_answer", Answer.OTHER)
        answer = REFUSALS.get(response.status_code, answer)
        runtime: Runtime = current_app.extensions["ringnote"]
        runtime.own(Tally).count_webhook(answer, time.monotonic() - begun)
    return response


@blueprint.errorhandler(WebhookError)
def refuse(error: WebhookError) -> ResponseReturnValue:
    return _error("not_found" if error.status == 404 else "refused", str(error)), error.status


@blueprint.errorhandler(RequestEntityTooLarge)
def refuse_large(_error_: RequestEntityTooLarge) -> ResponseReturnValue:
    return _error("too_large", f"a webhook has {MAX_BODY_BYTES} bytes at most"), 413


@blueprint.errorhandler(Exception)
def apologise(error: Exception) -> ResponseReturnValue:
    """The outermost frame: whatever went wrong, it was not kept, so it must be sent again."""
    if isinstance(error, HTTPException):
        return error
    # Flask would log the path, which holds the token.
    if isinstance(error, SQLAlchemyError | TimeoutError):
        log.error("webhook.not_stored", error=type(error).__name__)
    else:
        log.exception("webhook.failed")
    body = _error("unavailable", "it could not be stored; send it again")
    return body, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _name(receipt: Receipt) -> Answer:
    if receipt.is_spooled:
        return Answer.SPOOLED
    is_accepted = receipt.status is EventStatus.ACCEPTED
    return Answer.ACCEPTED if is_accepted else Answer.QUARANTINED


def _read_body() -> bytes:
    # One more than is taken: at its own limit the stream refuses even a body that just fits.
    request.max_content_length = MAX_BODY_BYTES + 1
    if request.content_length and request.content_length > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    parts: list[bytes] = []
    size = 0
    # A chunked body names no length, so it is counted as it comes.
    while part := request.stream.read(MAX_BODY_BYTES + 1 - size):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
    if request.content_length and not size:
        raise RuntimeError("something in the host application read the body before Ringnote could")
    return b"".join(parts)


def _page(title: str, *paragraphs: str) -> str:
    return render_template(
        "ringnote/webhook.html", title=title, paragraphs=paragraphs, style=Markup(STYLE)
    )


def _error(code: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": message}}

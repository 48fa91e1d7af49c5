"""What a person does on a client's record by hand: edits and deletes notes, ends and deletes tasks.

So that people can try what Ringnote makes of it; the guards are those of all pages.
"""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from .bodies import NotePatch
from .file import Refused
from .store import Store


def add_record_pages(pages: Blueprint, store: Store) -> None:
    """The forms that change what stands in `store`."""

    @pages.get("/notes/<note_id>")
    def note(note_id: str) -> str:
        return render_template("note.html", note=store.records.get("note", note_id))

    @pages.post("/notes/<note_id>")
    def edit_note(note_id: str) -> AnyResponse:
        body = request.form.get("body", "").replace("\r\n", "\n")
        try:
            changed = NotePatch(title=request.form.get("title", ""), body=body)
        except ValueError:
            said = "a note needs a title of at most 200 characters, and a text of at most 20,000"
            raise Refused(422, "invalid", said) from None
        kept = store.records.change("note", note_id, changed.as_kept(only_sent=True))
        return _to_record(kept)

    @pages.post("/<any(note, task):kind>s/<record_id>/delete")
    def delete_record(kind: str, record_id: str) -> AnyResponse:
        record = store.records.get(kind, record_id)
        store.records.remove(kind, record_id)
        return _to_record(record, is_there=False)

    @pages.post("/tasks/<task_id>/status")
    def close_task(task_id: str) -> AnyResponse:
        status = "done" if request.form.get("status") == "done" else "open"
        return _to_record(store.records.change("task", task_id, {"status": status}))


def _to_record(record: dict[str, Any], is_there: bool = True) -> AnyResponse:
    """To its client's record, at its place there."""
    anchor = record["id"] if is_there else None
    return redirect(url_for("pages.client", client_id=record["client_id"], _anchor=anchor), 303)

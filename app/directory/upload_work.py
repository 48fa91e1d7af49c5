"""The work on an uploaded client list: checking it, then importing it. A worker's job does it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..db import Database
from ..errors import InputError
from ..models import Clinic
from .column_choices import keep_choice
from .csv_clients import ClientList
from .csv_import import (
    Checked,
    ImportResult,
    check_clients,
    import_checked,
    may_remove,
    remove_missing,
)
from .csv_write import RejectedRows
from .uploads import AT_WORK, Stage, State, Upload, forget_old, list_uploads

ROWS_SHOWN = 20
EVERY_ROWS = 2000
"""How often it is written how far it is, and looked whether to go on."""
DRASTIC = 0.1
"""A share of the clients: no clinic loses so many from one list to the next."""
UNFORESEEN = "It could not be finished; the worker's log says why."

Work = Callable[[], None]


def is_drastic(counts: Mapping[str, int]) -> bool:
    """Whether so many clients are missing from a list that the list itself is to be doubted."""
    return counts.get("missing", 0) > DRASTIC * counts.get("known", 0)


class Interrupted(Exception):
    """It was stopped by a person, or the worker ends."""


def claim_upload(
    db: Database, data_dir: Path, clock: Clock, is_stopping: Callable[[], bool]
) -> Work | None:
    """Take on an upload of this data folder that is to be checked or imported; None if none is.

    It is held until the work is done, or its process ends: then another takes it on again.
    """
    for upload in list_uploads(data_dir):
        forget_old(upload, clock())
        state = upload.read()
        if state and state.stage in AT_WORK and (release := upload.hold()):
            work = _Work(db, upload, clock, is_stopping)

            def do(work: _Work = work, release: Callable[[], None] = release) -> None:
                try:
                    work.run()
                finally:
                    release()

            return do
    return None


class _Work:
    def __init__(
        self, db: Database, upload: Upload, clock: Clock, is_stopping: Callable[[], bool]
    ) -> None:
        self._db = db
        self._upload = upload
        self._clock = clock
        self._is_stopping = is_stopping

    def run(self) -> None:
        """Do what the stage asks for, and keep what came of it."""
        state = self._upload.read()
        if state is None or state.stage not in AT_WORK:
            return
        act = self._check if state.stage is Stage.CHECKING else self._import
        after = self._ended(state, Stage.FAILED, why=UNFORESEEN)
        try:
            after = act(state)
        except InputError as error:
            after = self._ended(state, Stage.FAILED, why=str(error))
        except Interrupted:
            # A worker that ends leaves it to the next as it is.
            after = state if self._is_stopping() else self._ended(state, Stage.CANCELLED)
        finally:
            self._upload.write(after)

    def _check(self, state: State) -> State:
        clinic, clients = self._read(state)
        headings, delimiter = clients.file.headings, clients.format.delimiter
        self._upload.rejected.unlink(missing_ok=True)
        with RejectedRows(self._upload.rejected, headings, delimiter) as rejected:
            checked = check_clients(clients, self._progress(state, None), rejected.add)
        result = self._take_in(state, clinic, clients, checked, dry_run=True)
        return self._ended(state, Stage.CHECKED, result)

    def _import(self, state: State) -> State:
        clinic, clients = self._read(state)
        checked = check_clients(clients, self._progress(state, state.total))
        result = self._take_in(state, clinic, clients, checked, dry_run=False)
        if state.is_corrected and not result.is_cancelled:
            now = self._clock()
            with self._db.transaction() as session:
                keep_choice(session, self._db, clinic.id, state.choice, state.by, now)
        return self._ended(state, Stage.CANCELLED if result.is_cancelled else Stage.DONE, result)

    def _read(self, state: State) -> tuple[Clinic, ClientList]:
        with self._db.reading() as session:
            clinic = session.get(Clinic, self._upload.clinic_id)
        if clinic is None:
            raise InputError("The clinic is gone.")
        return clinic, ClientList(self._upload.list, state.choice)

    def _take_in(
        self, state: State, clinic: Clinic, clients: ClientList, checked: Checked, *, dry_run: bool
    ) -> ImportResult:
        progress = self._progress(state, checked.rows)

        def step(rows: int) -> None:
            try:
                progress(rows)
            except Interrupted:
                # As at the command's: it ends between two batches, and tells what it did.
                raise KeyboardInterrupt from None

        now = self._clock()
        replaces = dry_run or state.removes is not None
        result = import_checked(
            self._db, clinic, clients, checked, now, step, dry_run=dry_run, replaces=replaces
        )
        if result.is_cancelled and (dry_run or self._is_stopping()):
            raise Interrupted
        # No more than a person was shown: others may have come in meanwhile.
        if may_remove(result) and (result.missing or 0) <= (state.removes or 0):
            remove_missing(self._db, clinic, result, now)
        return result

    def _progress(self, state: State, total: int | None) -> Callable[[int], None]:
        told = 0

        def progress(rows: int) -> None:
            nonlocal told
            if self._upload.is_stopped() or self._is_stopping():
                raise Interrupted
            if rows - told >= EVERY_ROWS:
                told = rows
                self._upload.write(replace(state, rows=rows, total=total))

        return progress

    def _ended(
        self, state: State, stage: Stage, result: ImportResult | None = None, why: str = ""
    ) -> State:
        told = {} if result is None else _tell(result)
        return replace(state, stage=stage, why=why, rows=0, **told)


def _tell(result: ImportResult) -> dict[str, Any]:
    tally = result.tally
    return {
        "total": result.rows,
        "counts": {
            "clients": result.imported - tally.deleted,
            "deleted": tally.deleted,
            "missing": result.missing or 0,
            "known": result.known,
            "added": tally.added,
            "updated": tally.updated,
            "unchanged": tally.unchanged,
            "unreadable_numbers": tally.unreadable_numbers,
            "rejected_rows": result.rejected_rows,
            "now_due": result.now_due,
        },
        "rejected": [[each.line, each.reason] for each in result.rejected[:ROWS_SHOWN]],
    }

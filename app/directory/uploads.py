"""A client list that a person uploaded, in the data folder while it is checked and imported.

One of a clinic at a time. The console puts it there and shows how far it is; a worker of the same
folder does the work, as `ringnote clients import` does it. The list is deleted once it is done.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from .column_choices import Choice

KEPT = timedelta(hours=24)
"""How long what nobody goes on with lies here, rejected rows included."""
PART_BYTES = 1024 * 1024


class Stage(StrEnum):
    """How far an upload is."""

    COLUMNS = "columns"
    """A person has to say which column is what."""
    CHECKING = "checking"
    CHECKED = "checked"
    """Nothing is written yet; a person has to say whether it is to be."""
    IMPORTING = "importing"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


AT_WORK = (Stage.CHECKING, Stage.IMPORTING)
ENDED = (Stage.DONE, Stage.CANCELLED, Stage.FAILED)


@dataclass(frozen=True, slots=True)
class State:
    """What is known of an upload. `counts` are those of an import's result, `rejected` the first
    rejected rows, each as line and reason; `rows` are how many are done, of `total` if known."""

    stage: Stage
    name: str
    by: str
    choice: Choice = field(default_factory=dict)
    is_corrected: bool = False
    """Whether the columns differ from what was guessed, so that they are remembered."""
    rows: int = 0
    total: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    rejected: list[list[Any]] = field(default_factory=list)
    removes: int | None = None
    """How many clients that the list lacks a person agreed to have marked as deleted."""
    why: str = ""


class Upload:
    """The place of a clinic's upload; it may be empty."""

    def __init__(self, data_dir: Path, clinic_id: int) -> None:
        self.clinic_id = clinic_id
        self._folder = _folder(data_dir) / str(clinic_id)
        self.list = self._folder / "list"
        self.rejected = self._folder / "rejected.csv"
        self._state = self._folder / "state.json"
        self._stop = self._folder / "stop"

    def read(self) -> State | None:
        """How far it is; None if there is none."""
        try:
            told = json.loads(self._state.read_text())
        except FileNotFoundError:
            return None
        return State(**told | {"stage": Stage(told["stage"])})

    def begin(self, state: State) -> None:
        """Have a worker take it on."""
        self._stop.unlink(missing_ok=True)
        self.write(state)

    def write(self, state: State) -> None:
        """Keep how far it is. What has ended leaves no list behind."""
        if state.stage in ENDED:
            self.list.unlink(missing_ok=True)
        part = self._state.with_suffix(".part")
        with _open_private(part) as file:
            file.write(json.dumps(asdict(state)).encode())
        part.replace(self._state)

    def put(self, source: IO[bytes], largest: int, state: State) -> None:
        """Take in a list, in place of what was here. Raises InputError if it is empty or longer
        than `largest` bytes, or if the one here is being worked on."""
        with self.held():
            self.clear()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _open_private(self.list) as file:
                shutil.copyfileobj(source, file, PART_BYTES)
                size = file.tell()
            if not 0 < size <= largest:
                self.clear()
                raise InputError("The file is empty." if not size else too_large(largest))
            self.write(state)

    def clear(self) -> None:
        """Delete all there is of it."""
        for each in (self.list, self.rejected, self._state, self._stop):
            each.unlink(missing_ok=True)

    def touched_at(self) -> datetime | None:
        """When anything of it was written last; None if there is nothing."""
        found = [each.stat().st_mtime for each in (self.list, self._state) if each.exists()]
        return datetime.fromtimestamp(max(found), UTC) if found else None

    def stop(self) -> None:
        """Have whoever is at work on it stop soon; where nobody is, delete all there is of it."""
        release = self.hold()
        if release is None:
            self._stop.touch()
            return
        self.clear()
        release()

    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.exists()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it against everybody else. Raises InputError if somebody does."""
        release = self.hold()
        if release is None:
            raise InputError("A list of this clinic is being worked on; stop that first.")
        try:
            yield
        finally:
            release()

    def hold(self) -> Callable[[], None] | None:
        """As `held`: what lets it go again; None if somebody holds it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _open_private(self._folder / "lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file.close


def list_uploads(data_dir: Path) -> list[Upload]:
    """All uploads that lie in the data folder."""
    try:
        names = [each.name for each in os.scandir(_folder(data_dir)) if each.name.isdecimal()]
    except FileNotFoundError:
        return []
    return [Upload(data_dir, int(name)) for name in sorted(names)]


def forget_old(upload: Upload, now: datetime) -> None:
    """Delete what nobody went on with for a day."""
    touched_at = upload.touched_at()
    if touched_at and now - touched_at > KEPT and (release := upload.hold()):
        upload.clear()
        release()


def too_large(largest: int) -> str:
    """That a list is too large to be uploaded, and what to do."""
    return (
        f"The list is larger than {largest // 1024**2} MB, the most that can be uploaded; import it"
        " on the server: ringnote clients import CLINIC FILE"
    )


def _folder(data_dir: Path) -> Path:
    return data_dir / "imports"


def _open_private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")

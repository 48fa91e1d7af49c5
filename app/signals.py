"""Signals (blinker): what a host application may react to, sent once it is committed.

The rooms that do the work `announce`; `Database.transaction` sends what was announced. A receiver
is called with the clinic's id and the signal's facts by name, in whichever process and thread did
the work, and holds it up for as long as it takes.
"""

from traceback import extract_tb
from typing import Any

from blinker import NamedSignal
from sqlalchemy.orm import Session

from .logs import get_logger

ANNOUNCED = "ringnote_announced"

call_settled = NamedSignal("call_settled")
"""A call is settled: at first, and again when what is known of it has changed. `call_id`,
`call_uuid`, `direction`, `outcome`, and `filtered_by`, the rule by which nothing is written."""

entry_written = NamedSignal("entry_written")
"""A version of an entry came to stand in the PMS, or was deleted there. `entry_id`, `kind`,
`subject_kind` and `subject_id` (what it comes of), `state`, `pms_id` (None once deleted)."""

entry_set_aside = NamedSignal("entry_set_aside")
"""The PMS refused an entry for good, and a person must look. As `entry_written`, and `reason`."""

connection_paused = NamedSignal("connection_paused")
"""The PMS refuses a clinic's account, so that nothing is written until a person mends it. Once,
however many tries were refused. `connection_id`, `connector` (its name), `reason`."""

number_unmatched = NamedSignal("number_unmatched")
"""A call or text waits for somebody to say whose its number is. `number` (E.164 where it is one),
`kind` ('none' or 'several' clients)."""

log = get_logger(__name__)


def announce(session: Session, signal: NamedSignal, clinic_id: int, **facts: Any) -> None:
    """Have `signal` sent if, and as soon as, the session's transaction is committed.

    `facts` are ids, states and numbers, never a client's name or words.
    """
    session.info.setdefault(ANNOUNCED, []).append((signal, clinic_id, facts))


def send_announced(session: Session) -> None:
    """Call the receivers of all that was announced, in that order. Never raises."""
    for signal, clinic_id, facts in session.info.pop(ANNOUNCED, ()):
        for receiver in signal.receivers_for(clinic_id):
            try:
                receiver(clinic_id, **facts)
            except Exception as error:  # noqa: BLE001 - a host's fault must not stop the work
                _report(signal, error)


def _report(signal: NamedSignal, error: Exception) -> None:
    # Where it happened, but not the error's own words: they may quote what the receiver was given.
    frames = extract_tb(error.__traceback__)[1:]
    log.error(
        "signal.receiver_failed",
        signal=signal.name,
        error=type(error).__name__,
        at=[f"{frame.filename}:{frame.lineno}" for frame in frames],
    )

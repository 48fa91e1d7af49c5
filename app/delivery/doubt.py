"""What a try does about a create that was perhaps carried out: look it up, wait, or ask a person.

One PMS finds a record by its reference, another honours its key; where neither holds, the
connection says whether a person is asked (the default) or it is sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ..connectors.base import Capabilities, Connector, Kind, NoteText, Written
from ..errors import RecordGone, RecordRejected
from .gone import require_gone
from .records import Records
from .retry import Next, Verdict
from .wording import record_kind, reference
from .work import Work

WRITTEN = Verdict(Next.WRITTEN)
CLOSED_IN_PMS = "it was closed in the PMS, so it is left alone"
ASKED = (
    "perhaps it was written: no answer came, and this PMS cannot tell. Look on the client's record"
    " for {mark}, then either write it again or confirm that it stands there"
)
PERHAPS_TWICE = "perhaps twice: an earlier try got no answer, and both end with {mark}"
PERHAPS_LEFT = (
    "perhaps it was written before, and this PMS cannot tell: look on the client's record for"
    " {mark}, and delete it"
)
LAGS = "perhaps it was written: it is looked up again once the PMS's search has caught up"


@dataclass(frozen=True, slots=True)
class Done:
    """What the connector calls came to."""

    action: str
    pms_id: str | None = None
    verdict: Verdict = WRITTEN
    closed_at: datetime | None = None
    """Of a task that was closed there, when, if the PMS says."""
    text: NoteText | None = None
    """What stands there now, where that is to be known later."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One try: what is to be written, through whom, and what to ask before anything is sent."""

    work: Work
    pms: Connector
    records: Records
    require_lease: Callable[[], None]
    """Raises Temporary if the lease can no longer be relied on."""
    at: datetime

    @property
    def able(self) -> Capabilities:
        return self.pms.capabilities

    @property
    def pms_id(self) -> str:
        return str(self.work.pms_id)

    def of(self, pms_id: str) -> "Errand":
        """The same, of the record that was found."""
        return replace(self, work=replace(self.work, pms_id=pms_id))


@dataclass(frozen=True, slots=True)
class Found:
    """Where a record is; or what happens instead of sending anything; or a word to send it with."""

    pms_id: str | None = None
    verdict: Verdict | None = None
    reason: str | None = None


def look_up(errand: Errand) -> Found:
    """Of a create that was perhaps carried out and is still wanted."""
    work, able = errand.work, errand.able
    mark = reference(work)
    if able.find_by_reference:
        found = _find(errand)
        return found if found.pms_id or not able.idempotency_key else Found()
    if able.idempotency_key:
        return Found()
    if errand.records.asks(work):
        return Found(verdict=_ask(mark))
    return Found(reason=PERHAPS_TWICE.format(mark=mark))


def look_up_unwanted(errand: Errand, send: Callable[[Errand], Written]) -> Found:
    """Of one that was perhaps carried out and is not wanted any more."""
    work, able = errand.work, errand.able
    found = _find(errand) if able.find_by_reference else Found()
    if found.pms_id or found.verdict or not work.is_in_doubt:
        return found
    if spends_key(work, able):
        return _spend_key(errand, send)
    return _left(errand)


def spends_key(work: Work, able: Capabilities) -> bool:
    """Whether the key of a create in doubt is sent once more, to delete what comes. Not where a
    look-up told that nothing is there, and it could only be called withdrawn."""
    is_task = record_kind(work, able) is Kind.TASK
    can_delete = able.delete_task if is_task else able.delete_note
    return work.is_in_doubt and able.idempotency_key and (can_delete or not able.find_by_reference)


def _spend_key(errand: Errand, send: Callable[[Errand], Written]) -> Found:
    """Have its key stand for a record that can be deleted: the answer tells which one was written,
    and a create that is still on its way, of a worker that died, then writes none."""
    errand.require_lease()
    try:
        return Found(send(errand).pms_id)
    except RecordRejected:
        return _left(errand)
    except RecordGone as gone:
        require_gone(errand.pms, gone)
        return Found()


def _left(errand: Errand) -> Found:
    """Nothing was found; where nothing can be, a person is told what to look for."""
    if errand.able.find_by_reference:
        return Found()
    return Found(reason=PERHAPS_LEFT.format(mark=reference(errand.work)))


def begin_addition(errand: Errand, text: NoteText, mark: str) -> Verdict:
    """What an addition that nothing could find again is sent with; or, if it was perhaps sent
    before, what happens instead."""
    if errand.records.begin_addition(errand.work, text):
        return WRITTEN
    if errand.records.asks(errand.work):
        return _ask(mark)
    return Verdict(Next.WRITTEN, reason=PERHAPS_TWICE.format(mark=mark))


def _find(errand: Errand) -> Found:
    work, able = errand.work, errand.able
    kind = record_kind(work, able)
    pms_id = errand.pms.find_by_reference(kind, work.client, reference(work))
    if pms_id or not work.is_in_doubt or not able.reference_lag_seconds:
        return Found(pms_id)
    left = able.reference_lag_seconds - errand.records.seconds_since_create(work)
    return Found(verdict=Verdict(Next.UNKNOWN, left, LAGS, True)) if left > 0 else Found()


def _ask(mark: str) -> Verdict:
    return Verdict(Next.SET_ASIDE, reason=ASKED.format(mark=mark), is_in_doubt=True, asks=True)

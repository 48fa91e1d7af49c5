"""How many requests a try will make, as far as can be told before it is begun.

What it makes besides is paid for as it goes (`meter.py`), and what was paid too much given back.
"""

from ..connectors.base import Capabilities, Kind
from .doubt import spends_key
from .wording import is_done_by_us, record_kind
from .work import Work


def requests_for(work: Work, able: Capabilities) -> int:
    """The requests of this try if each of the connector's methods makes one. `writing.py` decides
    which they are."""
    if work.pms_id is None:
        looks = work.is_in_doubt and able.find_by_reference
        if work.is_wanted:
            return looks + 1
        # What its key brings is removed; else it is looked for, and mostly not there.
        return looks + 1 + _to_remove(work, able) if spends_key(work, able) else 1
    return _to_change(work, able) if work.is_wanted else _to_remove(work, able)


def _to_change(work: Work, able: Capabilities) -> int:
    if record_kind(work, able) is Kind.TASK:
        return 1 + able.read_tasks + bool(work.content.get("is_done"))
    return 1 + (able.read_notes if able.update_note else able.find_by_reference)


def _to_remove(work: Work, able: Capabilities) -> int:
    if record_kind(work, able) is Kind.TASK:
        is_read = able.read_tasks and not is_done_by_us(work)
        return is_read + (1 if able.delete_task else 2)
    if not able.delete_note:
        return _to_change(work, able)
    return 1 + (able.update_note and able.read_notes)

"""What becomes of callers whom nobody knows, and of what has waited for them. Settling asks it.

Moves one row: the look-up that a new client is created by.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ..connectors import find_connector
from ..connectors.base import Capabilities
from ..db import Database
from ..directory.accounts import awaits_clients, find_connection_in_use
from ..directory.creation import name_client, queue_creation
from ..directory.lookup import is_being_asked, queue_lookup
from ..directory.match import read_matching
from ..directory.matching import Matching
from ..directory.ownership import Decided
from ..models import Clinic
from .party import Party

NO_CLIENT = "no client has this number"


def decide_stranger(
    session: Session, db: Database, clinic: Clinic, party: Party, none: Decided
) -> Decided:
    """What follows where the directory knows nobody: the PMS is asked, then the policy. No commit.

    `none` is what was decided of the directory, and the answer while the PMS has yet to say.
    """
    can = _capabilities(session, clinic.id)
    if party.number and can.search_by_phone:
        queue_lookup(session, db, clinic.id, party.number)
        if is_being_asked(session, clinic.id, party.number):
            return none
    if awaits_clients(session, clinic.id):
        return none
    unknown = read_matching(session, clinic.id).unknown
    if unknown == "ignore":
        return Decided("ignored", rule=f"{NO_CLIENT}, and the clinic ignores unknown callers")
    if unknown == "create" and can.create_client and party.number and party.is_caller:
        name = name_client(party.name, party.number, clinic.region)
        if refusal := queue_creation(session, db, clinic.id, party.number, name):
            return Decided("none", rule=f"{NO_CLIENT}, and none was created: {refusal}")
        return Decided("none", rule=f"{NO_CLIENT}; one is being created in the PMS")
    return none


def leave_outdated(decided: Decided, at: datetime, now: datetime, matching: Matching) -> Decided:
    """The decision on what has waited since `at`; on what has waited too long, to leave it."""
    if decided.kind != "client" or now - at <= timedelta(days=matching.backlog_days):
        return decided
    waited = f"it waited for its client for more than {matching.backlog_days} days"
    return Decided("ignored", rule=f"{waited}, so it is left alone ({decided.rule})")


def _capabilities(session: Session, clinic_id: int) -> Capabilities:
    connection = find_connection_in_use(session, clinic_id)
    kind = find_connector(connection.connector, connection.settings) if connection else None
    return kind.capabilities if kind else Capabilities()

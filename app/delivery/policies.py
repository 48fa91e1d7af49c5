"""Putting a policy in force: the new version, and what is owed written or only watched by it.

The command and the console do it by this.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from ..db import Database
from ..ledger.policies import Change, set_policy
from ..ledger.rules import Rules
from ..models import Clinic, Policy
from .connections import follow_policy


def put_in_force(
    session: Session, db: Database, clinic: Clinic, rules: Rules, now: datetime, by: str
) -> tuple[Policy, list[Change]]:
    """Make these rules the newest version, unless they are; it, and what it changes. No commit."""
    was_watching = clinic.is_watch_only
    kept, changes = set_policy(session, db, clinic, rules, now, by)
    if clinic.is_watch_only != was_watching:
        follow_policy(session, db, clinic.id)
    return kept, changes

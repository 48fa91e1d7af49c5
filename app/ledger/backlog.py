"""What has waited for a client, and whether one note tells of it all. Matching a subject asks it.

Only what a person or the directory left waiting counts: not what waited a moment for the PMS to
say whose number it is.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.match import read_matching
from ..models import Digest, Match, SubjectKind
from ..telephony.marks import mark_due


def is_in_digest(match: Match | None) -> bool:
    """Whether a digest tells of it, so that it has no note or transcript of its own."""
    return match is not None and match.kind == "client" and match.digest_id is not None


def follow_backlog(session: Session, db: Database, match: Match, *, waits: bool) -> None:
    """Keep what a match that was just decided means to the backlog of its number.

    `waits`: it is without a client, and nobody is being asked for one. Does not commit.
    """
    match.has_waited = match.has_waited or waits
    if match.kind == "client":
        before = match.digest_id
        match.digest_id = _digest(session, db, match) if _is_told_at_once(session, match) else None
        if before is not None and match.digest_id is None:
            _mark(session, db, match)
    renew_digest(session, db, match)


def leave_backlog(session: Session, db: Database, match: Match) -> None:
    """Forget that it waited, since it was of another number. Does not commit."""
    renew_digest(session, db, match)
    match.has_waited, match.digest_id = False, None


def renew_digest(session: Session, db: Database, match: Match) -> None:
    """Have the digest that tells of it settled again, where there is one. Does not commit."""
    if match.digest_id is not None:
        _mark(session, db, match)


def renew_digest_of(session: Session, db: Database, subject: tuple[str, int]) -> None:
    """The same of a call or window, which nothing is written of any more. Does not commit."""
    match = session.scalars(
        sa.select(Match).where(Match.subject_kind == subject[0], Match.subject_id == subject[1])
    ).first()
    if match:
        renew_digest(session, db, match)


def _is_told_at_once(session: Session, match: Match) -> bool:
    return match.has_waited and read_matching(session, match.clinic_id).backlog == "digest"


def _mark(session: Session, db: Database, match: Match) -> None:
    mark_due(session, db, match.clinic_id, SubjectKind.DIGEST, match.number)


def _digest(session: Session, db: Database, match: Match) -> int:
    """The id of the one digest of its number."""
    mine = [Digest.clinic_id == match.clinic_id, Digest.number == match.number]
    session.execute(
        db.insert(Digest)
        .values(clinic_id=match.clinic_id, number=match.number)
        .on_conflict_do_nothing(index_elements=[Digest.clinic_id, Digest.number])
    )
    return session.scalars(sa.select(Digest.id).where(*mine)).one()

"""`ringnote events replay`: webhooks read anew, some by their ids or a whole span."""

import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import InputError
from ..ledger.replay import Plan, Span, carry_out, make_plan
from ..ledger.replay_trial import try_out
from ..models import Event, EventStatus, SubjectKind
from ..runtime import Runtime
from .context import find_clinic_id, pass_runtime
from .counting import counting
from .options import clinic_option, event_status_option, since_option, until_option
from .output import as_called, emit, json_option, say
from .replay_words import changes_in_words, done_in_words, plan_in_words

INTERRUPTED = 130
MOST_AT_ONCE = 500
"""Subjects that a worker is done with in seconds; more are spread, if nothing else is said."""
USUAL_RATE = 600


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@clinic_option
@event_status_option
@since_option
@until_option
@click.option(
    "--policy",
    type=click.Choice(["pinned", "current"]),
    default="pinned",
    show_default=True,
    help="Decide anew by the policy that decided, or by the clinic's newest.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 60_000),
    metavar="N",
    help=f"Settle N calls and conversations a minute, so that live ones go first; else all at once,"
    f" or {USUAL_RATE} a minute where there are more than {MOST_AT_ONCE}.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would change in the PMS; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_runtime
def replay(
    runtime: Runtime,
    ids: tuple[str, ...],
    clinic: str | None,
    status: str | None,
    since: datetime | None,
    before: datetime | None,
    policy: str,
    rate: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Read webhooks anew from their raw bytes, and bring what follows from them up to date.

    Changes only what differs now: a repaired set-up, a better reader. Safe at any time; what people
    decided stays. A span is counted first, and replayed once you say yes. Stopped half-way, it has
    done a part of it whole; run again, it does the rest and changes nothing twice.

    \b
    ringnote events replay --clinic "Oak Street Vets" --since 2026-11-20 --dry-run
    ringnote events replay --clinic "Oak Street Vets" --since 2026-11-20 --rate 300
    """
    if not any((ids, clinic, status, since, before)):
        raise click.UsageError(
            "Name events by their ids, or give --clinic, --status, --since or --until."
        )
    named = frozenset(each.upper() for each in ids)
    with runtime.db.reading() as session:
        wanted = EventStatus(status) if status else None
        span = Span(named, find_clinic_id(session, clinic), wanted, since, before)
        _require(session, span)
        plan = make_plan(session, span)
    by_newest = policy == "current"
    value = _tell(plan, rate) | {"policy": policy, "dry_run": dry_run}
    if dry_run or not plan.events:
        value["changes"] = _try_out(runtime, plan, by_newest)
        emit(value, as_json, lambda: _say_all(changes_in_words(value)))
        return
    if not yes and not ids:
        _ask(value, as_json)
    value["marked"], value["interrupted"] = _carry_out(runtime, plan, value["rate"], by_newest)
    emit(value, as_json, lambda: _say_all(done_in_words(value)))
    if value["interrupted"]:
        click.get_current_context().exit(INTERRUPTED)


def _require(session: Session, span: Span) -> None:
    if span.ids:
        found = session.scalars(sa.select(Event.id).where(span.condition(session)))
        if missing := set(span.ids) - set(found):
            raise InputError(f"There is no such event {min(missing)}; see: ringnote events list")


def _tell(plan: Plan, rate: int | None) -> dict[str, Any]:
    kinds = Counter(kind for _, kind, _ in plan.subjects)
    if rate is None and len(plan.subjects) > MOST_AT_ONCE:
        rate = USUAL_RATE
    return {
        "replayed": plan.events.total(),
        "accepted": plan.events[EventStatus.ACCEPTED],
        "quarantined": plan.events[EventStatus.QUARANTINED],
        "read_otherwise": len(plan.differing),
        "calls": kinds[SubjectKind.CALL],
        "conversations": kinds[SubjectKind.CONVERSATION],
        "rate": rate,
    }


def _try_out(runtime: Runtime, plan: Plan, by_newest: bool) -> Mapping[str, Mapping[str, int]]:
    count = len(plan.subjects)
    with counting("calls and conversations tried", "events.replay", count) as progress:
        changes = try_out(runtime, plan, by_newest=by_newest, progress=progress)
    told: dict[str, dict[str, int]] = {"added": {}, "amended": {}, "withdrawn": {}}
    for (change, kind), number in sorted(changes.items()):
        told[change][kind.value] = number
    return told


def _ask(plan: Mapping[str, Any], as_json: bool) -> None:
    """Go on if a person says yes; where there is nobody to ask, end with what to do."""
    if as_json or not sys.stdin.isatty():
        emit(plan, as_json, lambda: _say_all(plan_in_words(plan)))
        say("Nothing was replayed; to see what it would change, give --dry-run; to do it, --yes.")
        click.get_current_context().exit(1)
    for line in plan_in_words(plan):
        say(line)
    click.confirm(f"Replay these {plan['replayed']:,}?", abort=True, err=True)


def _carry_out(runtime: Runtime, plan: Plan, rate: int | None, by_newest: bool) -> tuple[int, bool]:
    """How many subjects are marked, and whether it was interrupted."""
    done, is_interrupted = 0, False
    try:
        with counting("calls and conversations", "events.replay", len(plan.subjects)) as progress:
            for done in carry_out(runtime.db, plan, rate, by_newest=by_newest):
                progress(done)
    except KeyboardInterrupt:
        say("Interrupted.")
        is_interrupted = True
    runtime.waker.notify()
    return done, is_interrupted


def _say_all(lines: list[str]) -> None:
    click.echo(as_called("\n".join(lines)))

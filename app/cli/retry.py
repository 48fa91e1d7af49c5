"""`ringnote entries retry`: what failed is tried again, some by their ids or many at once."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..delivery.failed import FAILED, Chosen, Filter, choose
from ..delivery.outbox import retry_entries
from ..delivery.retries import begin_retry, cancel_retry, carry_out
from ..delivery.retries_told import tell_retry
from ..errors import InputError
from ..ledger.entries import tell_clinic
from ..ledger.rows import read_clinics, read_entries_where
from ..models import Clinic, Entry, EntryKind, EntryState
from ..runtime import Runtime
from .context import find_clinic_id, pass_runtime, who
from .counting import counting
from .options import ID, Moment, clinic_option
from .output import emit, json_option, say
from .retry_words import done_in_words, plan_in_words


@click.command()
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@clinic_option
@click.option(
    "--state",
    type=click.Choice([state.value for state in FAILED]),
    help="Only those that stand so.",
)
@click.option("--kind", type=click.Choice([kind.value for kind in EntryKind]), help="Only these.")
@click.option("--client", metavar="CLIENT", help="Of this client only: the PMS's own id.")
@click.option(
    "--failed-since",
    type=Moment(),
    help="What failed on this day (2026-11-20) or minute (2026-11-20T14:30) or later, by the"
    " clinic's clock.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 60_000),
    metavar="N",
    help="N a minute, evenly; else as fast as the PMS takes them.",
)
@click.option("--dry-run", is_flag=True, help="Count them, and leave them as they are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--cancel", type=ID, metavar="RETRY", help="Put back what this retry has not tried yet."
)
@json_option
@pass_runtime
def retry(
    runtime: Runtime,
    ids: tuple[int, ...],
    clinic: str | None,
    state: str | None,
    kind: str | None,
    client: str | None,
    failed_since: datetime | None,
    rate: int | None,
    dry_run: bool,
    yes: bool,
    cancel: int | None,
    as_json: bool,
) -> None:
    """Have entries tried again: those named, or all that failed and fit every option given.

    Many are counted first, and retried once you say yes. What was perhaps written waits for a
    person, and is retried only by its id. How far it has come: ringnote entries retries.

    \b
    ringnote entries retry 4711
    ringnote entries retry --clinic "Oak Street Vets" --failed-since 2026-11-20T14:30 --rate 60
    ringnote entries retry --cancel 12
    """
    since = failed_since.isoformat(timespec="minutes") if failed_since else None
    options = {"clinic": clinic, "state": state, "kind": kind, "client": client}
    options["failed_since"] = since
    told = {name: value for name, value in options.items() if value is not None}
    if cancel is not None:
        if ids or told or rate or dry_run:
            raise click.UsageError("--cancel goes with none of the other options.")
        _cancel(runtime, cancel, as_json)
        return
    if not ids and not told:
        raise click.UsageError("Name entries by their ids, or give --clinic or --state or such.")
    with runtime.db.reading() as session:
        wanted = Filter(
            find_clinic_id(session, clinic),
            EntryState(state) if state else None,
            EntryKind(kind) if kind else None,
            client,
            failed_since,
        )
    if ids:
        if rate or dry_run:
            raise click.UsageError("--rate and --dry-run are for many entries, not for some ids.")
        _retry_named(runtime, ids, wanted, as_json)
    else:
        _retry_many(runtime, wanted, told, rate, dry_run, yes, as_json)


def _retry_named(runtime: Runtime, ids: tuple[int, ...], wanted: Filter, as_json: bool) -> None:
    now = runtime.clock()
    with runtime.db.transaction() as session:
        may_be = wanted.condition(session, or_left=wanted.state is None)
        query = sa.select(Entry).where(may_be, Entry.id.in_(ids))
        found = session.scalars(query.order_by(Entry.id).with_for_update()).all()
        named = [entry.id for entry in found]
        _require(session, ids, named)
        retry_entries(session, runtime.db, found, who())
        session.flush()
        told = [
            {
                "id": each.entry.id,
                "state": each.entry.state.value,
                "standing": each.in_words(None, now),
            }
            for each in read_entries_where(session, Entry.id.in_(named), len(named))
        ]
    runtime.waker.notify()
    value = {"retried": len(told), "ids": named, "entries": told}
    emit(value, as_json, lambda: _show_named(told))


def _require(session: Session, ids: tuple[int, ...], found: list[int]) -> None:
    for entry_id in ids:
        if entry_id not in found:
            entry = session.get(Entry, entry_id)
            said = f"it is {entry.state.value}" if entry else "there is none with this id"
            raise InputError(
                f"Entry {entry_id} cannot be retried: {said};"
                " only what is retrying, set_aside or was left can."
            )


def _show_named(told: Sequence[Mapping[str, Any]]) -> None:
    for standing, count in Counter(each["standing"] for each in told).items():
        if standing == "due":
            click.echo(f"{count} will be tried again now.")
        else:
            click.echo(f"{count} cannot be tried yet: {standing}.")


def _retry_many(
    runtime: Runtime,
    wanted: Filter,
    told: Mapping[str, str],
    rate: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    with runtime.db.reading() as session:
        chosen = choose(session, wanted)
        clinics = read_clinics(session, {clinic_id for clinic_id, _ in chosen.counts})
    value = _plan(chosen, clinics, rate) | {"dry_run": dry_run}
    if dry_run or not chosen.ids:
        emit(value, as_json, lambda: click.echo("\n".join(plan_in_words(value))))
        return
    if not yes:
        _ask(value, as_json)
    retry_id = begin_retry(runtime.db, chosen, told, rate, who())
    say(f"How far it has come: ringnote entries retries {retry_id}")
    say(f"To put back what is not tried yet: ringnote entries retry --cancel {retry_id}")
    with counting("entries", "entries.retry", total=len(chosen.ids)) as progress:
        done = carry_out(runtime.db, retry_id, chosen.ids, progress)
    runtime.waker.notify()
    with runtime.db.reading() as session:
        paused = (tell_retry(session, retry_id) or {})["paused"]
    value |= {"retry": retry_id, "retried": done, "paused": paused}
    emit(value, as_json, lambda: click.echo("\n".join(done_in_words(value))))


def _plan(chosen: Chosen, clinics: Mapping[int, Clinic], rate: int | None) -> dict[str, Any]:
    return {
        "retry": None,
        "counted": len(chosen.ids),
        "retried": 0,
        "counts": [
            {"clinic": tell_clinic(clinics[clinic_id]), "kind": kind.value, "count": count}
            for (clinic_id, kind), count in sorted(chosen.counts.items())
        ],
        "left_apart": {
            "asking": chosen.asking,
            "without_pms": chosen.without_pms,
            "under_way": chosen.under_way,
        },
        "rate": rate,
    }


def _ask(plan: Mapping[str, Any], as_json: bool) -> None:
    """Go on if a person says yes; where there is nobody to ask, end with what to do."""
    if as_json or not sys.stdin.isatty():
        emit(plan, as_json, lambda: click.echo("\n".join(plan_in_words(plan))))
        say("Nothing was retried; to retry them, give --yes.")
        click.get_current_context().exit(1)
    for line in plan_in_words(plan):
        say(line)
    click.confirm(f"Retry these {plan['counted']:,}?", abort=True, err=True)


def _cancel(runtime: Runtime, retry_id: int, as_json: bool) -> None:
    with counting("entries put back", "entries.retry.cancel") as progress:
        cancel_retry(runtime.db, retry_id, who(), progress)
    with runtime.db.reading() as session:
        told = tell_retry(session, retry_id) or {}
    emit(told, as_json, lambda: _show_cancelled(told))


def _show_cancelled(told: Mapping[str, Any]) -> None:
    click.echo(f"Put back as they stood before: {told['put_back']:,}.")
    if tried := told["queued"] - told["put_back"]:
        click.echo(f"Left as they are, since they were tried or have changed: {tried:,}.")

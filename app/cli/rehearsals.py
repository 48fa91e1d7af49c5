"""`ringnote policy rehearse` and `preview`: what a policy would do, tried on calls that came."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from ..errors import InputError
from ..ledger.compose import voice_of
from ..ledger.past import read_past
from ..ledger.policies import check_policy, get_policy
from ..ledger.preview import preview as worded
from ..ledger.rehearsal import rehearse
from ..ledger.rules import Rules, read_stored
from ..models import Clinic
from ..runtime import Runtime
from .context import get_clinic, pass_runtime
from .output import as_called, emit, json_option, local, printable
from .policy import faults_in_words, policy, read_file

EXAMPLES = 10
LONGEST_DAYS = 366
NOT_FORESEEN = (
    "Whose a number is was decided when it called, and is shown as it stands;"
    " these settings would decide it otherwise for calls to come, and for what still waits."
)
with_option = click.option(
    "--with", "file", type=click.File("rb"), help='The edited policy\'s file; "-" is stdin.'
)


@policy.command("rehearse")
@click.argument("clinic")
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), default=14, show_default=True)
@click.option(
    "--with", "file", type=click.File("rb"), required=True, help='The edited file; "-" is stdin.'
)
@json_option
@pass_runtime
def rehearse_(runtime: Runtime, clinic: str, days: int, file: Any, as_json: bool) -> None:
    """Show what an edited policy would have made of the last days, writing nothing.

    \b
    ringnote policy rehearse "Oak Street Vets" --days 14 --with new.toml
    """
    text = read_file(file)
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        before = read_stored(get_policy(session, found).rules)
        after = _read(session, found, text)
        past = read_past(session, found, runtime.clock() - timedelta(days=days))
        told = {"days": days, **rehearse(past, before, after)}
    emit(told, as_json, lambda: _show(told, found.timezone))


@policy.command()
@click.argument("clinic")
@with_option
@click.option(
    "--last",
    type=click.IntRange(1, 50),
    default=3,
    show_default=True,
    help="So many of each kind.",
)
@json_option
@pass_runtime
def preview(runtime: Runtime, clinic: str, file: Any, last: int, as_json: bool) -> None:
    """Show how the last notes, callback tasks and transcripts would be worded, writing nothing.

    By this policy or an edited one, of the calls and texts that came. Of texts are shown those that
    become a transcript; with matching.backlog = "digest", also the notes on what waited.
    """
    text = read_file(file) if file else None
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        in_force = read_stored(get_policy(session, found).rules)
        rules = in_force if text is None else _read(session, found, text)
        past = read_past(session, found, runtime.clock() - timedelta(days=LONGEST_DAYS))
        voice = voice_of(rules, found.timezone, found.region)
        told = worded(past, rules, voice, last)
    emit(told, as_json, lambda: _show_preview(told))


def _read(session: Session, clinic: Clinic, text: str) -> Rules:
    checked = check_policy(session, clinic, text)
    if checked.rules is None:
        raise InputError(faults_in_words(checked))
    return checked.rules


def _show(told: Mapping[str, Any], timezone: str) -> None:
    seen = f"{told['calls']} calls and {told['conversations']} conversations by text"
    click.echo(f"Of the last {told['days']} days, with {seen}:")
    for kind in ("tasks", "notes", "transcripts"):
        before, after = told[kind]["before"], told[kind]["after"]
        same = "" if before != after else " (as now)"
        click.echo(f"  {before} -> {after} {kind}{same}")
    digests = told["digests"]
    if any(digests.values()):
        what = "notes that tell at once of what waited for its client"
        click.echo(f"  {digests['before']} -> {digests['after']} {what}")
    if count := told["tasks_with_other_terms"]:
        click.echo(f"  {count} tasks would be for somebody else, more or less urgent, or due then")
    _callers("would have no task", told["callers_without_task"], timezone)
    _callers("would have a task", told["callers_with_new_task"], timezone)
    for what in ("lost", "gained"):
        calls = told[f"notes_{what}"]
        if calls:
            click.echo(f"Notes {what}: {len(calls)}, such as")
            for each in calls[:EXAMPLES]:
                at = local(each["at"], timezone)
                number = each["number"] or "withheld"
                click.echo(printable(f"  {at}  {number}  {each['outcome']}  {each['call_uuid']}"))
    for reason, count in told["reasons"].items():
        click.echo(printable(f"Not written any more: {count}, since {reason}"))
    if settings := told["not_foreseen"]:
        click.echo(f"Not foreseen: {', '.join(settings)}. {NOT_FORESEEN}")
    click.echo("Nothing was written.")


def _callers(what: str, callers: Sequence[Mapping[str, Any]], timezone: str) -> None:
    if not callers:
        return
    who = "caller" if len(callers) == 1 else f"{len(callers)} callers"
    click.echo(f"{'This' if len(callers) == 1 else 'These'} {who} {what}:")
    for each in callers[:EXAMPLES]:
        name = f"  {each['name']}" if each["name"] else ""
        at = local(each["at"], timezone)
        click.echo(printable(f"  {each['number']}{name}  since {at}, calls: {each['calls']}"))
    if len(callers) > EXAMPLES:
        click.echo(f"  … and {len(callers) - EXAMPLES} more; --json names all")


def _show_preview(told: Sequence[Mapping[str, Any]]) -> None:
    for kind, each in ((each["kind"], each) for each in told):
        click.secho(printable(f"{kind.capitalize()}: {each['title']}"), bold=True)
        for line in each["body"].splitlines():
            click.echo(printable(f"  | {line}"))
        click.echo()
    if not told:
        click.echo(as_called("No call and no text has come yet; try: ringnote simulate CLINIC"))

"""`ringnote policy`: a clinic's rules as one file: shown, checked, set, compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..delivery.policies import put_in_force
from ..errors import InputError
from ..ledger.policies import (
    Change,
    Checked,
    check_policy,
    compare,
    get_policy,
    list_history,
    write_version,
)
from ..ledger.rules import read_stored
from ..models import Policy
from ..runtime import Runtime
from .context import get_clinic, pass_runtime, who
from .output import emit, json_option, local, print_table, printable, say

file_argument = click.argument("file", type=click.File("rb"))
LONGEST_SHOWN = 60


@click.group()
def policy() -> None:
    """A clinic's rules: what becomes a note or a task, for whom, due when, in which words.

    \b
    ringnote policy show "Oak Street Vets" > oak.toml
    ringnote policy check "Oak Street Vets" oak.toml
    ringnote policy set "Oak Street Vets" oak.toml
    """


@policy.command()
@click.argument("clinic")
@click.option("--version", type=click.IntRange(1), help="A former version.")
@json_option
@pass_runtime
def show(runtime: Runtime, clinic: str, version: int | None, as_json: bool) -> None:
    """Print a clinic's policy as a TOML file with comments, which can be edited and set again."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        shown = get_policy(session, found, version)
        rules = read_stored(shown.rules)
        value = _version(shown) | {"rules": rules.model_dump(mode="json")}
        text = write_version(found, shown)
    emit(value, as_json, lambda: click.echo(text, nl=False))


@policy.command()
@click.argument("clinic")
@file_argument
@json_option
@pass_runtime
def check(runtime: Runtime, clinic: str, file: Any, as_json: bool) -> None:
    """Look for faults in a policy's file ("-" is stdin), naming all of them. Changes nothing.

    Ends with exit code 1 if there is any fault; warnings are told and do no harm.
    """
    text = read_file(file)
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        checked = check_policy(session, found, text)
        now = read_stored(get_policy(session, found).rules)
    changes = compare(now, checked.rules) if checked.rules else []
    emit(_checked(checked, changes), as_json, lambda: _show_checked(checked, changes))
    if checked.faults:
        click.get_current_context().exit(1)


@policy.command("set")
@click.argument("clinic")
@file_argument
@click.option("--by", default=who, help="Who says so; the user of this machine, if not given.")
@json_option
@pass_runtime
def set_(runtime: Runtime, clinic: str, file: Any, by: str, as_json: bool) -> None:
    """Make a file ("-" is stdin) the clinic's policy from now on, as a new version.

    What is settled already stays as it is, with the version that decided it. What waits for a
    match is decided anew where the rules of matching are others.
    """
    text = read_file(file)
    with runtime.db.transaction() as session:
        found = get_clinic(session, clinic)
        checked = check_policy(session, found, text)
        if checked.rules is None:
            raise InputError(faults_in_words(checked))
        kept, changes = put_in_force(session, runtime.db, found, checked.rules, runtime.clock(), by)
        value = _checked(checked, changes) | _version(kept)
    emit(value, as_json, lambda: _show_set(value, changes))
    for each in checked.warnings:
        say(f"Warning: {printable(str(each))}")


@policy.command()
@click.argument("clinic")
@json_option
@pass_runtime
def history(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """List the versions of a clinic's policy, the newest first, with what each changed."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        values = [
            _version(each) | {"changes": [_change(one) for one in changes]}
            for each, changes in list_history(session, found)
        ]
    rows = [
        (
            value["version"],
            local(value["set_at"], found.timezone),
            value["set_by"],
            "; ".join(_told(each) for each in value["changes"]) or "as Ringnote has it by default",
        )
        for value in values
    ]
    emit(values, as_json, lambda: print_table(("version", "set", "by", "changed"), rows))


def read_file(file: Any) -> str:
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"The file is no text in UTF-8 (byte {error.start}); save it as UTF-8."
        ) from None


def faults_in_words(checked: Checked) -> str:
    count = len(checked.faults)
    head = f"The policy has {count} fault{'s' * (count != 1)}, so nothing was changed:"
    return "\n".join([head, *(f"  - {printable(str(each))}" for each in checked.faults)])


def _show_checked(checked: Checked, changes: Sequence[Change]) -> None:
    for each in checked.faults:
        click.echo(f"Fault: {printable(str(each))}")
    for each in checked.warnings:
        click.echo(f"Warning: {printable(str(each))}")
    if checked.faults:
        return
    click.echo("There is no fault in it.")
    _show_changes("Setting it would change:", changes)


def _show_set(value: Mapping[str, Any], changes: Sequence[Change]) -> None:
    if not changes:
        click.echo(f"This is what version {value['version']} says already; nothing was changed.")
        return
    _show_changes(f"Version {value['version']} is in force. It changes:", changes)


def _show_changes(head: str, changes: Sequence[Change]) -> None:
    if not changes:
        click.echo("It says what is in force already.")
        return
    click.echo(head)
    for each in changes:
        click.echo(printable(f"  {_told(_change(each))}"))


def _told(change: Mapping[str, str]) -> str:
    before, after = (_short(change[name]) for name in ("before", "after"))
    return f"{change['place']}: {before or 'nothing'} -> {after or 'nothing'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 1]}…"


def _checked(checked: Checked, changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "ok": not checked.faults,
        "faults": [{"line": each.line, "fault": str(each)} for each in checked.faults],
        "warnings": [{"line": each.line, "warning": str(each)} for each in checked.warnings],
        "changes": [_change(each) for each in changes],
    }


def _change(change: Change) -> dict[str, str]:
    return {"place": change.place, "before": change.before, "after": change.after}


def _version(policy: Policy) -> dict[str, Any]:
    return {
        "version": policy.version,
        "set_at": policy.created_at,
        "set_by": policy.created_by,
    }

"""`ringnote connector`: which there are, and files that describe a PMS, tried out against it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ..connectors import CONNECTORS
from ..connectors.base import Capabilities, Setting, SettingType
from ..connectors.rest.connector import FILE, RestConnector
from ..connectors.rest.examples import examples
from ..connectors.rest.reading import read_description
from ..connectors.rest.trial import try_out
from ..connectors.trial_steps import Step
from ..curl import LEFT_TO_CURL
from ..delivery.account_settings import get_connector, make_connector
from ..delivery.trial_meter import TrialMeter
from ..errors import InputError
from ..exchanges import Exchange, trim
from ..numbers import read_number
from ..runtime import Runtime
from .context import find_runtime
from .given import read_given, secret_option, set_option
from .output import emit, json_option, print_table, printable
from .policy import read_file

SHOWN_CHARACTERS = 600
"""Of a body."""
USUAL_HEADERS = LEFT_TO_CURL | {"accept", "content-type", "user-agent"}
ABLE = {
    "search_by_phone": ("finds an unknown number at once", "knows new clients after a sync"),
    "delta_sync": ("syncs what changed", "syncs all clients each time"),
    "update_note": ("changes notes", "adds a note in place of changing one"),
    "read_notes": ("keeps what people add to notes", "does not see what people add to notes"),
    "delete_note": ("removes notes", "marks a note as withdrawn in place of removing it"),
    "tasks": ("writes tasks", "writes a note marked to call back in place of a task"),
    "read_tasks": ("sees tasks that people complete", "does not see tasks that people complete"),
    "reopen_task": ("reopens tasks", "writes a new task in place of reopening one"),
    "create_client": ("adds clients", "adds no clients"),
}
"""What a PMS can do, and what becomes of it where it cannot."""


@click.group()
def connector() -> None:
    """Which connectors there are, and files that describe a PMS to the connector rest.

    \b
    ringnote connector list
    ringnote connector show hubspot
    ringnote connector example > my-pms.toml
    ringnote connector check my-pms.toml
    ringnote connector check my-pms.toml --live --set base_url=https://… --secret token=-
    ringnote connect "Oak Street Vets" rest --set file=@my-pms.toml --secret token=-
    """


@connector.command("list")
@json_option
@click.pass_context
def list_all(context: click.Context, as_json: bool) -> None:
    """List the connectors there are, those of installed plugins too.

    Ends with exit code 1 if there is a plugin that cannot be used.
    """
    value = [
        {"name": name, "title": kind.title, "package": CONNECTORS.package_of(name), "fault": None}
        for name, kind in CONNECTORS.items()
    ]
    broken = CONNECTORS.broken()
    value += [
        {"name": each.name, "title": None, "package": each.package, "fault": each.fault}
        for each in broken
    ]
    rows = [
        (each["name"], each["title"] or f"cannot be used: {each['fault']}", each["package"])
        for each in value
    ]
    emit(value, as_json, lambda: print_table(("connector", "speaks to", "plugin"), rows))
    if broken:
        context.exit(1)


@connector.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what a connector asks for: each setting and secret with its type and default."""
    kind = get_connector(name)
    value: dict[str, Any] = {
        "name": name,
        "title": kind.title,
        "package": CONNECTORS.package_of(name),
        "asks_for": [_asked(each) for each in kind.settings],
    }
    emit(value, as_json, lambda: _show_asked(value["asks_for"]))


@connector.command()
@click.argument("name", default="sandbox")
def example(name: str) -> None:
    """Print a description that is shipped, to use or to begin with: the sandbox's, or another."""
    there = examples()
    if name not in there:
        raise InputError(f"No example is called {name!r}; there are: {', '.join(there)}.")
    click.echo(there[name], nl=False)


@connector.command()
@click.argument("file", type=click.File("rb"))
@click.option("--live", is_flag=True, help="Try it out against the PMS, writing nothing.")
@click.option("--write", "client", metavar="CLIENT", help="Write on this client, and clean up.")
@click.option("--number", help="Search for this number; else for one of a listed client.")
@click.option("--region", default="US", show_default=True, help="Where numbers are read as in.")
@set_option
@secret_option
@json_option
@click.pass_context
def check(
    context: click.Context,
    file: Any,
    live: bool,
    client: str | None,
    number: str | None,
    region: str,
    settings: tuple[str, ...],
    secrets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look for faults in a description ("-" is stdin), naming all of them with their lines.

    With --live, go through it against the PMS step by step, and show each request, without secrets,
    and each answer: these hold what is known of clients. With --write too, write a note and a task
    on the client that is named, change them and remove them.

    Ends with exit code 1 if there is any fault.
    """
    text = read_file(file)
    described, faults = read_description(text)
    told: dict[str, Any] = {
        "ok": not faults,
        "faults": [{"line": each.line, "fault": str(each)} for each in faults],
    }
    if described and not faults:
        kind = RestConnector.described_by({FILE.name: text})
        told |= {"title": described.title, "able": _able(kind.capabilities)}
        told["asks_for"] = [_asked(each) for each in kind.settings if each is not FILE]
        told["rates"] = [
            {"requests": each.requests, "seconds": each.seconds, "kind": each.kind}
            for each in kind.capabilities.rates
        ]
        told["steps"] = []
    if not as_json:
        _show(told)
    if not faults and (live or client):
        steps = _try(find_runtime(context), text, settings, secrets, number, region, client)
        for place, step in enumerate(steps, start=1):
            told["steps"].append(_told(step))
            told["ok"] = told["ok"] and step.is_fine is not False
            if not as_json:
                _show_step(place, step)
    emit(told, as_json, lambda: None)
    if not told["ok"]:
        context.exit(1)


def _try(
    runtime: Runtime,
    text: str,
    settings: Sequence[str],
    secrets: Sequence[str],
    number: str | None,
    region: str,
    client: str | None,
) -> Iterator[Step]:
    shown, hidden = read_given("rest", [*settings, f"{FILE.name}={text}"], secrets)
    sought = read_number(number, region).e164 if number else None
    if number and not sought:
        raise InputError(f"{number!r} is no telephone number in {region}; write it as +1…")
    meter = TrialMeter(runtime.clock)
    made = make_connector(runtime.http, "rest", shown, hidden, meter.pass_)
    meter.rates = made.rates
    return try_out(made, region, sought, client, runtime.clock())


def _able(able: Capabilities) -> dict[str, bool]:
    return {name: bool(getattr(able, name)) for name in ABLE} | {
        "never_twice": able.find_by_reference or able.idempotency_key
    }


def _asked(each: Setting) -> dict[str, Any]:
    return {
        "name": each.name,
        "help": each.help,
        "type": each.type.name.lower(),
        "choices": dict(each.choices),
        "secret": each.is_secret,
        "required": each.is_required,
        "default": each.default,
    }


def _told(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "ok": step.is_fine,
        "said": step.said,
        "exchanges": list(step.exchanges),
    }


def _show(told: Mapping[str, Any]) -> None:
    for each in told["faults"]:
        click.echo(f"Fault: {printable(each['fault'])}")
    if told["faults"]:
        return
    click.echo(f"There is no fault in it. What Ringnote does with {printable(told['title'])}:")
    for name, (does, instead) in ABLE.items():
        click.echo(f"  {does if told['able'][name] else instead}")
    if not told["able"]["never_twice"]:
        click.echo("  asks a person where no answer came, since it cannot look up what it wrote")
    for rate in told["rates"]:
        which = f" of {rate['kind']}" if rate["kind"] else ""
        often = f"{rate['requests']} requests{which} in {rate['seconds']:g} s"
        click.echo(printable(f"  sends at most {often}"))
    if told["asks_for"]:
        click.echo("It asks for:")
        _show_asked(told["asks_for"])


def _show_asked(asked: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (each["name"], _type(each), each["default"] or _without(each), each["help"])
        for each in asked
    ]
    print_table(("name", "type", "default", "what"), rows)


def _type(each: Mapping[str, Any]) -> str:
    said = str(SettingType[each["type"].upper()])
    said += f" {', '.join(f'{value} {words}' for value, words in each['choices'].items())}".rstrip()
    return f"secret {said}" if each["secret"] else said


def _without(each: Mapping[str, Any]) -> str:
    return "(must be given)" if each["required"] else ""


def _show_step(place: int, step: Step) -> None:
    mark = {True: "fine", False: "WRONG", None: "-"}[step.is_fine]
    click.echo(f"\n{place}. {step.name}")
    for each in step.exchanges:
        _show_exchange(each)
    click.echo(f"   {mark}: {printable(step.said)}")


def _show_exchange(each: Exchange) -> None:
    click.echo(printable(f"   {each['method']} {each['url']}"))
    for name, value in each["headers"].items():
        if name.lower() not in USUAL_HEADERS:
            click.echo(printable(f"      {name}: {value}"))
    _show_body(each["body"])
    answered = each["status"] or each["error"]
    click.echo(printable(f"   -> {answered} ({each['duration_ms']} ms)"))
    _show_body(each["answer"])


def _show_body(body: str | None) -> None:
    for line in trim(body, SHOWN_CHARACTERS).splitlines() if body else ():
        click.echo(f"      {printable(line)}")

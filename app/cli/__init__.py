"""The command `ringnote`: what it can do, by chapter, and how its errors reach a person.

A command's module is loaded only when it is asked for, so that each run starts quickly.
"""

import importlib
from typing import Any, NamedTuple, NoReturn

import click
from click.exceptions import NoSuchCommand
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

from ..errors import ConfigError, RingnoteError

INTERRUPTED = 130


class Listing(NamedTuple):
    """Where a command lives (a module of this package; it is called as the command) and a hint."""

    module: str
    help: str


CHAPTERS: dict[str, dict[str, Listing]] = {
    "Try it": {
        "demo": Listing("demo", "Show everything at work: an invented clinic, phone and PMS."),
        "sandbox": Listing("sandbox", "Run a pretend PMS to write to."),
        "simulate": Listing("sandbox", "Play a pretend phone system's calls for a clinic."),
    },
    "Run it": {
        "migrate": Listing("migrate", "Bring the database to this version's schema."),
        "serve": Listing("serve", "Take webhooks, show the console, and work, in one process."),
        "worker": Listing("worker", "Only work: settle calls and write to the PMS."),
        "check": Listing("check", "Look for faults in the set-up and name them all."),
        "housekeeping": Listing("housekeeping", "Purge what is older than it is to be kept."),
        "doctor": Listing("doctor", "Say which webhooks the phone system does not send."),
    },
    "Set up a clinic": {
        "clinic": Listing(
            "clinics", "Add, list, show, set or remove clinics; renew a webhook URL."
        ),
        "lines": Listing("clinics", "List or add a clinic's own phone numbers."),
        "connect": Listing("connections", "Connect a clinic to its PMS."),
        "disconnect": Listing("connections", "End a clinic's connection to its PMS."),
        "connector": Listing("connectors", "List connectors; check a file that describes a PMS."),
        "policy": Listing("rehearsals", "Show, check and set what becomes of a clinic's calls."),
        "connection": Listing("connections", "Test, pause, resume or show a clinic's connection."),
    },
    "Who is calling": {
        "clients": Listing("clients", "Import, sync and find a clinic's clients."),
        "numbers": Listing("numbers", "List numbers that match nobody; map or ignore one."),
    },
    "Who may look": {
        "user": Listing("users", "Add, list, change and remove who may sign in."),
        "token": Listing("tokens", "Make, list and revoke the tokens of programs."),
    },
    "See what happened and mend it": {
        "calls": Listing("calls", "List, show and correct calls."),
        "callbacks": Listing("callbacks", "Whom to call back; close or reopen one."),
        "conversations": Listing("conversations", "List and show conversations by text."),
        "events": Listing("events", "List, show and replay webhooks as they came."),
        "entries": Listing("entries", "List and show what is written to the PMS; retry it."),
        "report": Listing("report", "Where every call and text of a day stands."),
    },
}
COMMANDS = {name: entry for chapter in CHAPTERS.values() for name, entry in chapter.items()}
HELP = {"help_option_names": ["-h", "--help"]}

FIRST_STEPS = """\
ringnote demo

ringnote migrate
ringnote clinic add "Oak Street Vets" --container 123456 --timezone America/New_York
ringnote clients import "Oak Street Vets" clients.csv
ringnote sandbox --port 8001 --token try-it &
export RINGNOTE_ALLOW_PRIVATE_PMS=1
ringnote connect "Oak Street Vets" sandbox --set base_url=http://127.0.0.1:8001 --secret token=-
ringnote serve"""

ENVIRONMENT = (
    ("RINGNOTE_DATABASE_URL", "sqlite:////path or postgresql://user@host/name; else SQLite"),
    ("RINGNOTE_DATA_DIR", "folder of the SQLite file and the keys made here"),
    ("RINGNOTE_ENCRYPTION_KEYS", "encrypt the PMS's secrets; must be set on PostgreSQL"),
    ("RINGNOTE_SECRET_KEY", "signs forms; made once in the data folder where that can be"),
    ("RINGNOTE_PUBLIC_URL", "where the phone system reaches this deployment"),
    ("RINGNOTE_DATA_IS_PERSISTENT", "1 keeps webhooks there while the database is away"),
    ("RINGNOTE_PROXIES", "how many proxies before it are believed (0)"),
    ("RINGNOTE_MISSED_GRACE_SECONDS", "how long a hangup waits for a late answer (20)"),
    ("RINGNOTE_ALLOW_PRIVATE_PMS", "1 allows a PMS on a loopback or private address"),
    ("RINGNOTE_KEEP_EVENTS_DAYS", "how long webhooks are kept (90; 0 for ever, as for all four)"),
    ("RINGNOTE_KEEP_ATTEMPTS_DAYS", "how long tries to write to the PMS are kept (90)"),
    ("RINGNOTE_KEEP_RECORDS_DAYS", "how long calls, texts and their entries are kept (1095)"),
    ("RINGNOTE_KEEP_ENDED_DAYS", "how long ended tokens, revoked rules and such are kept (90)"),
    ("RINGNOTE_METRICS_TOKEN", "what a monitor shows to read /metrics; else nobody may"),
    ("RINGNOTE_LOG_FORMAT", "text or json"),
)


class Group(click.Group):
    """Loads its commands when they are asked for, and says in words what went wrong."""

    chapters = CHAPTERS
    first_steps = FIRST_STEPS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for chapter in self.chapters.values() for name in chapter]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name].module}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            known = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=known, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for chapter, entries in self.chapters.items():
            with formatter.section(chapter):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("First steps"):
            for line in self.first_steps.splitlines():
                formatter.write(f"{'':>{formatter.current_indent if line else 0}}{line}\n")
        with formatter.section("Environment (each also as NAME_FILE, a file that holds it)"):
            formatter.write_dl(ENVIRONMENT)
        formatter.write_paragraph()
        formatter.write_text(f"{ctx.command_path} COMMAND --help tells more of each.")

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RingnoteError as error:
            raise click.ClickException(self.advice(_in_words(error))) from error
        except (OperationalError, InterfaceError, TimeoutError) as error:
            raise click.ClickException(_of_database(error)) from error
        except KeyboardInterrupt:
            _interrupt(ctx)
        except click.Abort as error:
            # A prompt turns Ctrl-C into an Abort, as it does the end of its input.
            if isinstance(error.__context__, KeyboardInterrupt):
                _interrupt(ctx)
            raise

    def advice(self, said: str) -> str:
        """What went wrong and what to do, with commands named as they are called here."""
        return said


@click.group(cls=Group, context_settings=HELP)
@click.version_option(package_name="ringnote", message="%(prog)s %(version)s")
def main() -> None:
    """Keeps a clinic's practice-management system up to date from its phone system.

    Every call becomes a note on the client's record, every missed call one callback task, every
    conversation by text one transcript.
    """


def _in_words(error: RingnoteError) -> str:
    if isinstance(error, ConfigError) and len(error.faults) > 1:
        return "\n".join(("there are several faults:", *(f"  - {each}" for each in error.faults)))
    return str(error)


def _of_database(error: SQLAlchemyError) -> str:
    # These kinds speak of the server, not of a row; a constraint's error would quote what it held.
    said = str(getattr(error, "orig", None) or "no connection came free").strip()
    return f"The database cannot be used: {said.splitlines()[0]}"


def _interrupt(ctx: click.Context) -> NoReturn:
    click.echo("Interrupted.", err=True)
    ctx.exit(INTERRUPTED)

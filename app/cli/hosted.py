"""`flask ringnote …`: the same commands, on the Ringnote that an application has mounted.

Flask finds it by the entry point group `flask.commands`, wherever Ringnote is installed.
"""

import re

import click

from ..errors import ConfigError
from ..runtime import Runtime
from . import CHAPTERS, HELP, Group
from .context import HOST, PREFIX

APART = {"demo", "sandbox", "serve"}
"""Commands that make an application or a world of their own."""
HEALTH = "ringnote.health.healthz"
HERE = {
    title: {name: entry for name, entry in chapter.items() if name not in APART}
    for title, chapter in CHAPTERS.items()
}

FIRST_STEPS = """\
flask ringnote migrate
flask ringnote clinic add "Oak Street Vets" --container 123456 --timezone America/New_York
flask ringnote connect "Oak Street Vets" CONNECTOR --set NAME=VALUE --secret NAME=-
flask ringnote clients sync "Oak Street Vets"
flask ringnote worker"""


class HostedGroup(Group):
    """The commands that work on what a host has mounted."""

    chapters = HERE
    first_steps = FIRST_STEPS

    def advice(self, said: str) -> str:
        known = "|".join(self.list_commands(click.get_current_context()))
        return re.sub(rf"(?<!flask )\bringnote (?=({known})\b)", "flask ringnote ", said)


@click.group(cls=HostedGroup, context_settings=HELP)
@click.pass_context
def commands(context: click.Context) -> None:
    """Ringnote's commands, on the database and settings of this application.

    Every call becomes a note on the client's record, every missed call one callback task, every
    conversation by text one transcript.
    """
    # Found when a command asks for it: help needs no application.
    context.meta[HOST] = lambda: _mounted(context)


def _mounted(context: click.Context) -> Runtime:
    from flask.cli import ScriptInfo

    host = context.ensure_object(ScriptInfo).load_app()
    runtime: Runtime | None = host.extensions.get("ringnote")
    if runtime is None:
        raise ConfigError(
            f"The application {host.name!r} has not mounted Ringnote. Call Ringnote(app) where it"
            " is made, or use the command ringnote for one that stands by itself."
        )
    # The health checks are there whatever else is not.
    health = next(iter(host.url_map.iter_rules(HEALTH)))
    context.meta[PREFIX] = health.rule.removesuffix("/healthz")
    return runtime

"""Settings and secrets of a connector as they are given to a command: as options, or when asked."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from ..connectors import find_connector

set_option = click.option(
    "--set", "settings", multiple=True, metavar="K=V", help="A setting; repeat it."
)
secret_option = click.option(
    "--secret", "secrets", multiple=True, metavar="K=V", help="A secret; repeat it."
)


def read_given(
    connector: str, settings: Iterable[str], secrets: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Settings and secrets by name. At a terminal, what a connector must have besides is asked for;
    elsewhere it is left to be missing."""
    shown = _read_values(settings, "--set", is_secret=False)
    hidden = _read_values(secrets, "--secret", is_secret=True)
    kind = find_connector(connector, shown) if is_at_terminal() else None
    for each in kind.settings if kind else ():
        if each.is_required and not each.default and each.name not in {**shown, **hidden}:
            said = str(click.prompt(each.help, hide_input=each.is_secret, err=True))
            (hidden if each.is_secret else shown)[each.name] = said
    return shown, hidden


def is_at_terminal() -> bool:
    return sys.stdin.isatty()


def _read_values(pairs: Iterable[str], option: str, *, is_secret: bool) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not name:
            # What was given may be the secret itself, so it is not repeated.
            raise click.BadParameter("write it as name=value", param_hint=option)
        if name in values:
            raise click.BadParameter(f"{name} is given twice", param_hint=option)
        values[name] = _read_value(name, value, option, is_secret=is_secret)
    return values


def _read_value(name: str, value: str, option: str, *, is_secret: bool) -> str:
    if value == "-":
        if is_at_terminal():
            return str(click.prompt(name, hide_input=is_secret, err=True))
        return sys.stdin.read().strip()
    if value.startswith("@@"):
        return value[1:]
    if value.startswith("@"):
        try:
            return Path(value[1:]).expanduser().read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise click.BadParameter(
                f"the file of {name} cannot be read: {reason}", param_hint=option
            ) from None
    return value

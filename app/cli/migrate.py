"""`ringnote migrate`: brings the database to this version's schema."""

import click

from .. import schema
from .context import find_runtime
from .output import emit, json_option


@click.command()
@json_option
@click.pass_context
def migrate(context: click.Context, as_json: bool) -> None:
    """Bring the database to this version's schema; run it after each upgrade."""
    before, after = schema.migrate(find_runtime(context).db)
    value = {"before": before, "after": after}
    if before == after:
        said = f"The database is at revision {after} already."
    else:
        said = f"The database went from {before or 'empty'} to revision {after}."
    emit(value, as_json, lambda: click.echo(said))

"""`ringnote sandbox` and `ringnote simulate`: a pretend PMS and phone system to try with."""

import signal
import threading
from pathlib import Path

import click

from ..errors import InputError
from ..sandbox.people import invent_clients
from ..sandbox.pms import create_pms
from ..sandbox.server import Server
from ..sandbox.store import Store
from .output import say

MAX_CLIENTS = 800


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0 takes any free one.")
@click.option("--token", required=True, help="What the connector must send.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep its records in this SQLite file; without it they are forgotten at the end.",
)
@click.option(
    "--clients",
    type=click.IntRange(0, MAX_CLIENTS),
    default=0,
    help="Invent this many clients, if it has none yet.",
)
def sandbox(port: int, token: str, host: str, path: Path | None, clients: int) -> None:
    """Run a pretend PMS to try Ringnote with.

    Its API asks for the token; its pages, where records appear as they are written and faults are
    switched on and off, have no sign-in and answer this machine alone.

    \b
    ringnote sandbox --port 8001 --token try-me --clients 200
    ringnote connect "My clinic" sandbox --set base_url=http://127.0.0.1:8001 --secret token=try-me
    """
    if not token.strip() or not (token.isascii() and token.isprintable()):
        raise InputError("--token must be plain characters, at least one.")
    store = Store(path or ":memory:")
    server = Server(create_pms(path or ":memory:", token, store=store), host=host, port=port)
    if clients and not store.clients.count():
        store.clients.add(invent_clients(clients))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with server:
        click.echo(server.url)
        say(f"The sandbox PMS holds {store.clients.count()} clients. Ctrl-C stops it.")
        stop.wait()
    store.close()

"""`ringnote sandbox` and `ringnote simulate`: a pretend PMS and phone system to try with."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path

import click
import requests
import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..connectors.sandbox import RATE
from ..errors import InputError
from ..http import NO_ADDRESS
from ..models import Client, ClientNumber, Clinic, WebhookToken
from ..runtime import Runtime
from ..sandbox.limit import Limit
from ..sandbox.people import Caller, caller_name, callers_among, invent_clients
from ..sandbox.phones import Office, PhoneSystem, PlannedCall
from ..sandbox.play import Played, play
from ..sandbox.pms import create_pms
from ..sandbox.server import Server
from ..sandbox.store import Store
from ..telephony.tokens import issue_webhook_token, webhook_url
from .context import get_clinic, pass_runtime
from .output import emit, json_option, print_table, say
from .worker import STOPPING, signals_held

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
TOKEN_LIFE = timedelta(hours=12)
REACH_SECONDS = 5.0
MAX_CALLERS = 500
INVENTED = "+1___55501__"
"""An SQL pattern of the numbers that are set aside for fiction, as E.164."""
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
@click.option(
    "--rate", help="Take no more requests in so many seconds, such as 100/10; then answer 429."
)
def sandbox(
    port: int, token: str, host: str, path: Path | None, clients: int, rate: str | None
) -> None:
    """Run a pretend PMS to try Ringnote with.

    Its API asks for the token; its pages, where records appear as they are written and faults are
    switched on and off, have no sign-in and answer this machine alone.

    \b
    ringnote sandbox --port 8001 --token try-me --clients 200
    ringnote connect "My clinic" sandbox --set base_url=http://127.0.0.1:8001 --secret token=try-me
    """
    if not token.strip() or not (token.isascii() and token.isprintable()):
        raise InputError("--token must be plain characters, at least one.")
    limit = _read_rate(rate) if rate else None
    store = Store(path or ":memory:")
    with closing(store), signals_held():
        pms = create_pms(path or ":memory:", token, store=store, limit=limit)
        server = Server(pms, host=host, port=port)
        if clients and not store.clients.count():
            store.clients.add(invent_clients(clients))
        with server:
            click.echo(server.url)
            say(f"The sandbox PMS holds {store.clients.count()} clients. Ctrl-C stops it.")
            signal.sigwait(STOPPING)


def _read_rate(rate: str) -> Limit:
    if not RATE.fullmatch(rate):
        raise InputError("--rate must be requests and seconds, such as 100/10.")
    requests_, _, seconds = rate.partition("/")
    return Limit(int(requests_), float(seconds))


@click.command()
@click.argument("clinic")
@click.option("--calls", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 1000),
    default=1.0,
    show_default=True,
    help="Calls begun a second.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 100_000),
    default=60.0,
    show_default=True,
    help="How many times faster than a real one each call goes.",
)
@click.option("--seed", type=int, help="Plan the same calls again, callUuids included.")
@click.option("--url", help="Where to post to, if not to a webhook URL made for this run.")
@click.option("--base-url", help="Where Ringnote runs, if RINGNOTE_PUBLIC_URL does not tell.")
@json_option
@pass_runtime
def simulate(
    runtime: Runtime,
    clinic: str,
    calls: int,
    rate: float,
    speed: float,
    seed: int | None,
    url: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Play a pretend phone system's calls and texts for CLINIC.

    They are posted as webhooks over HTTP, as the phone system would. Those of the clinic's clients
    who have an invented number (555-01xx) call; if none has, invented people do, who match nobody.

    \b
    ringnote simulate "Oak Street Vets" --calls 50 --rate 5
    """
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
    phones = phone_system(runtime, found, seed)
    planned = list(islice(phones.calls(), calls))
    base = base_url or runtime.settings.public_url or DEFAULT_BASE_URL
    with _address(runtime, found, url, base) as address:
        _require_answer(address, url or base)
        played = _play(address, planned, rate, speed)
    value = {
        "calls": played.calls,
        "webhooks": played.webhooks,
        "failed": played.failed,
        "answers": dict(played.answers),
        "stories": dict(played.stories),
    }
    emit(value, as_json, lambda: _show(played))
    if played.failed:
        say(f"{played.failed} webhooks were not taken.")
        click.get_current_context().exit(1)


def phone_system(runtime: Runtime, clinic: Clinic, seed: int | None = None) -> PhoneSystem:
    """The pretend phone system of a clinic, whose clients with invented numbers call."""
    callers, couple = _callers(runtime, clinic)
    if not callers:
        callers, couple = callers_among(invent_clients(40))
    dice = seed if seed is not None else int.from_bytes(os.urandom(4), "big")
    office = Office(clinic.container_id, clinic.tenant_id)
    return PhoneSystem(office, callers, seed=dice, couple=couple)


@contextmanager
def webhook_address(runtime: Runtime, clinic: Clinic, base: str) -> Iterator[str]:
    """A webhook URL of the clinic under `base`, which ends to work with the block. Commits."""
    now = runtime.clock()
    with runtime.db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, now, now + TOKEN_LIFE)
        # The newest is the one just issued: only its hash is kept, so it cannot be asked for.
        newest = session.scalars(
            sa.select(sa.func.max(WebhookToken.id)).where(WebhookToken.clinic_id == clinic.id)
        ).one()
    try:
        yield webhook_url(base, token)
    finally:
        with runtime.db.transaction() as session:
            session.execute(sa.delete(WebhookToken).where(WebhookToken.id == newest))


@contextmanager
def _address(runtime: Runtime, clinic: Clinic, url: str | None, base: str) -> Iterator[str]:
    if url:
        yield url
        return
    with webhook_address(runtime, clinic, base) as address:
        yield address


def _callers(runtime: Runtime, clinic: Clinic) -> tuple[list[Caller], Caller | None]:
    with runtime.db.reading() as session:
        rows = session.execute(
            sa.select(ClientNumber.number, Client.name, Client.patients)
            .join(Client, Client.id == ClientNumber.client_id)
            .where(
                ClientNumber.clinic_id == clinic.id,
                ClientNumber.number.like(INVENTED),
                Client.deleted_at.is_(None),
            )
            .order_by(ClientNumber.id)
            .limit(MAX_CALLERS)
        ).all()
    owners: defaultdict[str, list[Caller]] = defaultdict(list)
    for number, name, patients in rows:
        owners[number].append(Caller(number, caller_name(name), *patients[:1]))
    alone = [callers[0] for callers in owners.values() if len(callers) == 1]
    shared = [callers[0] for callers in owners.values() if len(callers) > 1]
    return alone, shared[0] if shared else None


def _require_answer(address: str, shown: str) -> None:
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.get(address, timeout=REACH_SECONDS, allow_redirects=False)
    except NO_ADDRESS:
        raise InputError(f"{shown} is no web address; write http://host:port/…") from None
    except requests.RequestException:
        raise InputError(
            f"Nothing answers at {shown}. Start Ringnote there with: ringnote serve;"
            " or name another place with --base-url."
        ) from None


def _play(address: str, planned: list[PlannedCall], rate: float, speed: float) -> Played:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[last]:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("webhooks"),
        TimeElapsedColumn(),
    )
    total = sum(len(call.webhooks) for call in planned)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task("", total=total, last="")
        return play(
            address,
            planned,
            rate=rate,
            speed=speed,
            on_answer=lambda call, *_: shown.update(task, advance=1, last=call.story),
        )


def _show(played: Played) -> None:
    print_table(["Story", "Calls"], played.stories.most_common())
    click.echo(f"{played.calls} calls, {played.webhooks} webhooks, {played.failed} not taken.")

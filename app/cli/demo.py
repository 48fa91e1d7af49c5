"""`ringnote demo`: an invented clinic, its phone system, its PMS, and Ringnote between them.

Everything runs in threads of this one process, so that nothing outlives it however it ends.
"""

import secrets
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import schema
from ..access.users import add_user, find_user, make_link
from ..delivery.account_settings import connector_for
from ..delivery.connection_trail import keep_act
from ..delivery.connections import (
    find_connection,
    open_connection,
    resume_connection,
)
from ..directory.sync import sync_clients
from ..errors import InputError
from ..ledger.clinics import ClinicFields, add_clinic
from ..ledger.policies import check_policy, set_policy
from ..logs import configure_logs
from ..models import Clinic, Connection, Role
from ..runtime import Runtime
from ..sandbox.people import callers_among, invent_clients
from ..sandbox.phones import QUEUE, RING_GROUP, PlannedCall, Webhook
from ..sandbox.play import play
from ..sandbox.pms import create_pms
from ..sandbox.server import Server
from ..sandbox.store import Store
from ..settings import kept_secret, load_settings
from ..web.extension import create_app
from ..worker import Worker
from .output import say
from .sandbox import phone_system, webhook_address
from .worker import STOPPING, keep_working, signals_held

CLINIC = ClinicFields("Willow Creek Veterinary", "555001", "", "America/New_York", "US")
POLICY = f"""\
[names.queues]
"{QUEUE}" = "Reception"

[names.ring_groups]
"{RING_GROUP}" = "Front desk"
"""
CLIENTS = 200
USER = "demo"
LINK_LASTS = timedelta(hours=24)
CALLS_A_SECOND = 0.3
SPEED = 25.0
"""A call of four minutes is over in ten seconds."""
GRACE_SECONDS = 4.0
"""As calls go faster than real ones, so does the wait for a late answer."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo plays on."""

    runtime: Runtime
    store: Store
    console: Server
    pms: Server
    token: str
    link: str
    """Signs in to the console."""


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--pms-port", type=click.IntRange(0, 65535), default=8001, show_default=True)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=".demo",
    show_default=True,
    help="Keeps what happened, for the next run.",
)
@click.option("--calls", type=click.IntRange(1), help="Stop calling after so many.")
@click.option("--no-simulate", is_flag=True, help="No calls but your own.")
def demo(port: int, pms_port: int, data_dir: Path, calls: int | None, no_simulate: bool) -> None:
    """Show everything at work: an invented clinic, its phone system and its PMS.

    Calls and texts come by themselves. The console shows what becomes of them, the pretend PMS
    the notes and tasks on its clients' records. Ctrl-C ends all of it.
    """
    # Held from here on, a signal can only end what is set up whole.
    with signals_held(), ExitStack() as afterwards:
        stage = _set_up(data_dir, port, pms_port, afterwards)
        stage.pms.start()
        clinic, connection = _connect(stage)
        _sync(stage.runtime, clinic, connection)
        address = afterwards.enter_context(
            webhook_address(stage.runtime, clinic, stage.console.url)
        )
        stop = threading.Event()
        worker = Worker(stage.runtime)
        threads = [threading.Thread(target=keep_working, args=(worker, stop), name="worker")]
        if not no_simulate:
            phones = threading.Thread(
                target=_call, args=(stage, clinic, address, calls, stop), name="phones"
            )
            threads.append(phones)
        stage.console.start()
        for thread in threads:
            thread.start()
        _tell(stage, clinic, address)
        signal.sigwait(STOPPING)
        say("\nEnding …")
        stop.set()
        worker.wake()
        for thread in threads:
            thread.join()


def _set_up(data_dir: Path, port: int, pms_port: int, afterwards: ExitStack) -> Stage:
    """Bind both ports, bring the database up, fill the PMS."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{data_dir} cannot be made ({error.strerror}); name another with --data-dir."
        ) from None
    # Everything is given here, so that a demo never touches a deployment named in the environment.
    settings = load_settings(
        {
            "data_dir": data_dir.resolve(),
            "database_url": "",
            "secret_key": "",
            "encryption_keys": "",
            "public_url": f"http://127.0.0.1:{port}",
            "missed_grace_seconds": GRACE_SECONDS,
            "allow_private_pms": True,
        }
    )
    configure_logs(settings.log_format)
    runtime = Runtime.from_settings(settings)
    afterwards.callback(runtime.close)
    token = kept_secret(settings.data_dir, "pms.token", lambda: secrets.token_urlsafe(18))
    store = Store(settings.data_dir / "pms.sqlite3")
    afterwards.callback(store.close)
    pms = Server(
        create_pms(settings.data_dir, token, store=store), port=pms_port, option="--pms-port"
    )
    afterwards.callback(pms.stop)
    console = Server(create_app(runtime=runtime), port=port)
    afterwards.callback(console.stop)
    schema.migrate(runtime.db)
    link = _let_in(runtime)
    if not store.clients.count():
        store.clients.add(invent_clients(CLIENTS))
    return Stage(runtime, store, console, pms, token, f"{console.url}/sign-in/{link}")


def _let_in(runtime: Runtime) -> str:
    """The secret part of an address that signs in whoever opens it, for a day."""
    now = runtime.clock()
    with runtime.db.transaction() as session:
        user = find_user(session, USER) or add_user(session, USER, Role.ADMIN, None, None, now)
        return make_link(session, user.id, now, LINK_LASTS, is_reusable=True)


def _connect(stage: Stage) -> tuple[Clinic, Connection]:
    """The invented clinic and its connection to the pretend PMS, as an earlier run left them."""
    runtime = stage.runtime
    now = runtime.clock()
    settings, secret = {"base_url": stage.pms.url}, {"token": stage.token}
    with runtime.db.transaction() as session:
        clinic = session.scalars(
            sa.select(Clinic).where(Clinic.container_id == CLINIC.container_id)
        ).first() or _add_clinic(session, runtime, now)
        connection = find_connection(session, clinic.id)
        if connection is None or connection.settings != settings:
            connection = open_connection(
                session, runtime, clinic.id, "sandbox", settings, secret, now=now
            )
            keep_act(session, connection, "connect", USER, now)
        resume_connection(session, runtime.db, connection.id)
    return clinic, connection


def _add_clinic(session: Session, runtime: Runtime, now: datetime) -> Clinic:
    """The invented clinic, with a policy that names its queue and its ring group."""
    clinic = add_clinic(session, CLINIC, now, by=USER)
    rules = check_policy(session, clinic, POLICY).rules
    if rules is None:
        raise AssertionError("the demo's policy has faults")
    set_policy(session, runtime.db, clinic, rules, now, by=USER)
    return clinic


def _sync(runtime: Runtime, clinic: Clinic, connection: Connection) -> None:
    connector = connector_for(connection, runtime)
    try:
        sync_clients(runtime.db, clinic, connection.id, connector, runtime.clock)
    except InputError as error:
        # A run that was killed in mid-sync holds its lease a little longer; its clients are there.
        say(str(error))


def _call(
    stage: Stage, clinic: Clinic, address: str, count: int | None, stop: threading.Event
) -> None:
    """Play the pretend phone system until told to stop, saying what it plays."""

    def tell(call: PlannedCall, webhook: Webhook, said: str) -> None:
        at = datetime.now().astimezone()
        if said != "accepted":
            say(f"{at:%H:%M:%S}  {webhook.event_type} was not taken: {said}")
        elif webhook is call.webhooks[-1]:
            say(f"{at:%H:%M:%S}  over: {call.story}")

    calls = phone_system(stage.runtime, clinic).calls()
    play(
        address,
        islice(calls, count),
        rate=CALLS_A_SECOND,
        speed=SPEED,
        stop=stop,
        on_answer=tell,
    )
    if not stop.is_set():
        say("That was the last call; what was written stays, and yours are welcome.")


def _tell(stage: Stage, clinic: Clinic, address: str) -> None:
    """Where to look, and how to place a call of one's own."""
    client = stage.store.clients.get("C1006")
    caller = callers_among([client])[0][0]
    own_call = (
        f"eventType=HangupCall&containerId={clinic.container_id}&tenantId=0"
        f"&callUuid=mine-'$(date +%s)'&extNumber=101&extName=Dana"
        f"&callerIdNum={caller.number[1:]}&callerIdName={caller.name.replace(' ', '+')}"
    )
    click.echo(
        f"""
Ringnote is at work for {clinic.name}. Look here:

Console: calls and texts as they come, and where their notes stand (this link signs you in)
  {stage.link}
PMS: its clients' records, where notes and tasks appear
  {stage.pms.url}
Faults: make the PMS fail, and watch what happens
  {stage.pms.url}/faults

The phone system posts to
  {address}

Place a call of your own: {client["name"]} talks to Dana and hangs up.
  curl '{address}' \\
    -d '{own_call}'
Its note appears at once at {stage.pms.url}/clients/{client["id"]}

Ctrl-C ends all of it.
"""
    )

"""The stage: a database, hosts with web and worker processes, a PMS behind a proxy, and phones."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from postgres import ENTERABLE, free_port, postgres_server
from postgres import Server as Postgres
from ringnote import schema
from ringnote.clock import utc_now
from ringnote.delivery.account_settings import connector_for
from ringnote.delivery.connections import open_connection
from ringnote.directory.sync import sync_clients
from ringnote.ledger.clinics import ClinicFields, add_clinic
from ringnote.runtime import Runtime
from ringnote.sandbox.faults import Faults
from ringnote.sandbox.people import callers_among, invent_clients
from ringnote.sandbox.phones import Office, PhoneSystem
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.settings import load_settings
from ringnote.telephony.tokens import issue_webhook_token

from .crew import Crew, Member
from .disk import Disk, small_disk
from .hosts import Host
from .phones import Clinic, Phones
from .proxy import Proxy

TOKEN = "chaos"  # noqa: S105 (no secret: the PMS lasts as long as the run)
GRACE_SECONDS = 2.0
CLIENTS = 10
CLINICS = 3
WEBS = 2
WORKERS = 3
WEBHOOKS_A_SECOND = 40.0


@dataclass
class Stage:
    """All that a run works with; `postgres` is None on SQLite, `disk` also where none can be made.

    In `folder` are logs, spools, the PMS's records and, of SQLite, the database.
    """

    folder: Path
    runtime: Runtime
    postgres: Postgres | None
    disk: Disk | None
    hosts: Sequence[Host]
    store: Store
    faults: Faults
    proxy: Proxy
    crew: Crew
    phones: Phones

    @property
    def worker_hosts(self) -> Sequence[Host]:
        return list(dict.fromkeys(each.host for each in self.crew.members if not each.is_web))


@contextmanager
def staged(database: str, seed: int, *, fenced: bool) -> Iterator[Stage]:
    """A Stage for the block; everything in it is stopped and removed at its end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringnote-chaos-")))
        postgres = disk = None
        if database == "postgresql":
            disk = stack.enter_context(small_disk())
            # One that does not wait for its disk would lose by a crash what it has committed.
            postgres = stack.enter_context(
                postgres_server(quick=False, where=disk.folder if disk else ENTERABLE)
            )
        store = stack.enter_context(closing(Store(folder / "pms.sqlite3")))
        store.clients.add(invent_clients(CLIENTS))
        faults = Faults()
        pms = stack.enter_context(Server(create_pms("", TOKEN, store=store, faults=faults)))
        proxy = stack.enter_context(closing(Proxy(pms.port, seed)))
        url = postgres.url if postgres else f"sqlite:///{folder / 'ringnote.sqlite3'}"
        runtime = stack.enter_context(closing(_runtime(url, folder)))
        clinics = _set_up(runtime, proxy.url, seed)
        hosts, crew = _man(runtime, folder, is_one_machine=postgres is None, fenced=fenced)
        stack.callback(crew.dismiss)
        ports = [member.port for member in crew.members if member.port]
        phones = Phones(clinics, ports, WEBHOOKS_A_SECOND, seed)
        stack.callback(phones.stop)
        yield Stage(folder, runtime, postgres, disk, hosts, store, faults, proxy, crew, phones)


def _runtime(url: str, folder: Path) -> Runtime:
    settings = load_settings(
        {
            "database_url": url,
            "data_dir": folder / "data",
            "encryption_keys": Fernet.generate_key().decode(),
            "allow_private_pms": True,
            "data_is_persistent": True,
            "missed_grace_seconds": GRACE_SECONDS,
        },
        environ={},
    )
    return Runtime.from_settings(settings)


def _set_up(runtime: Runtime, pms_url: str, seed: int) -> list[Clinic]:
    """Clinics whose directories hold the PMS's clients."""
    schema.migrate(runtime.db)
    callers, couple = callers_among(invent_clients(CLIENTS))
    clinics = []
    for number in range(CLINICS):
        container, now = f"{123456 + number}", utc_now()
        fields = ClinicFields(f"Clinic {number}", container, "", "America/New_York", "US")
        with runtime.db.transaction() as session:
            clinic = add_clinic(session, fields, now, by="chaos")
            settings, secrets = {"base_url": pms_url}, {"token": TOKEN}
            connection = open_connection(
                session, runtime, clinic.id, "sandbox", settings, secrets, now=now
            )
            token = issue_webhook_token(session, clinic.id, now)
        connector = connector_for(connection, runtime)
        sync_clients(runtime.db, clinic, connection.id, connector, utc_now)
        system = PhoneSystem(Office(container), callers, seed=seed + number, couple=couple)
        clinics.append(Clinic(token, system))
    return clinics


def _man(
    runtime: Runtime, folder: Path, *, is_one_machine: bool, fenced: bool
) -> tuple[Sequence[Host], Crew]:
    """The crew, each member on a host of its own, or all of them on one."""
    places = [("web", number) for number in range(WEBS)]
    places += [("worker", number) for number in range(WORKERS)]
    names = [f"{role}-{number}" for role, number in places]
    made = {
        name: Host.make(folder / "hosts" / name, fenced=fenced)
        for name in (["machine"] if is_one_machine else names)
    }
    members = []
    for (role, _), name in zip(places, names, strict=True):
        host = made["machine" if is_one_machine else name]
        if role == "web":
            port = free_port()
            words = ("serve", "--port", str(port), "--no-worker")
            members.append(Member(name, host, words, port))
        else:
            members.append(Member(name, host, ("worker",)))
    (folder / "logs").mkdir()
    return list(made.values()), Crew(members, _environment(runtime), folder / "logs")


def _environment(runtime: Runtime) -> dict[str, str]:
    settings = runtime.settings
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RINGNOTE_")}
    return mine | {
        "PYTHONUNBUFFERED": "1",
        "RINGNOTE_DATABASE_URL": settings.url,
        "RINGNOTE_DATA_DIR": str(settings.data_dir),
        "RINGNOTE_DATA_IS_PERSISTENT": "1",
        "RINGNOTE_ENCRYPTION_KEYS": settings.encryption_keys,
        "RINGNOTE_MISSED_GRACE_SECONDS": str(GRACE_SECONDS),
        "RINGNOTE_ALLOW_PRIVATE_PMS": "1",
    }

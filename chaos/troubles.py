"""Carries a plan's steps out on the stage, and counts them."""

import contextlib
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from postgres import NoPostgresError
from ringnote.delivery.connections import resume_connection
from ringnote.models import Connection
from ringnote.sandbox.faults import Fault, FaultKind

from .crew import Member
from .hosts import Host
from .plan import Step, Trouble
from .proxy import WireFault
from .stage import Stage

START_AGAIN_SECONDS = 30.0
"""How long the rest of a killed server may keep a new one from starting."""
PMS_SECONDS = 1.0
ASLEEP_SECONDS = 30.0
OVERTAKEN_SECONDS = 8.0
LOOK_SECONDS = 0.05
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Troubles:
    """Makes the troubles of one run. `count` tells how often each was made, `asleep` how many
    workers stopped themselves before an update, `filled` how often PostgreSQL's disk was full."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.count: Counter[str] = Counter()
        self.furthest_clock = 0.0
        self.asleep = self.filled = 0
        self._drowsy: list[Host] = []
        self._is_away = False
        self._threads: list[threading.Thread] = []
        self._acts: Mapping[Trouble, Callable[[Step], None]] = {
            Trouble.KILL: self._kill,
            Trouble.TERMINATE: self._terminate,
            Trouble.FREEZE: self._freeze,
            Trouble.THAW: lambda _: stage.crew.thaw(),
            Trouble.STOP_DATABASE: self._stop_database,
            Trouble.START_DATABASE: lambda _: self._start_database(),
            Trouble.CUT: lambda _: self._cut(),
            Trouble.LOCK: self._lock,
            Trouble.PMS_FAULT: self._pms_fault,
            Trouble.WIRE_FAULT: self._wire_fault,
            Trouble.MEND: self._mend,
            Trouble.CLOCK: self._jump,
            Trouble.FILL_DISK: lambda step: self._host(step).fill_disk(),
            Trouble.FREE_DISK: lambda step: self._host(step).free_disk(),
            Trouble.FILL_DATABASE: lambda _: self._fill_database(),
            Trouble.FREE_DATABASE: lambda _: self._start_database(),
            Trouble.RUSH: lambda _: stage.phones.rush(),
            Trouble.DROWSE: lambda _: self._make_drowsy(),
        }

    def make(self, steps: Sequence[Step]) -> None:
        """Carry each step out at its time, or as soon after as can be."""
        started = time.monotonic()
        for step in steps:
            time.sleep(max(0.0, started + step.at - time.monotonic()))
            self._acts[step.trouble](step)
            self.count[step.trouble.value] += 1

    def cease(self) -> None:
        """End every trouble but the frozen: the database up, the PMS healthy, clocks going on."""
        stage = self._stage
        stage.faults.switch_off()
        stage.proxy.switch_off()
        self.asleep = sum(not host.is_drowsy for host in self._drowsy)
        for host in stage.hosts:
            host.free_disk()
            host.rouse()
            # Leases go by the machine's clock on SQLite, and time does not go back at the end.
            host.set_clock(self.furthest_clock if stage.postgres is None else 0.0)
        self._start_database()
        for thread in self._threads:
            thread.join()

    def resume(self) -> None:
        """What a person does once the PMS is well again: have all that is owed written now."""
        db = self._stage.runtime.db
        with contextlib.suppress(SQLAlchemyError), db.transaction() as session:
            for connection_id in session.scalars(sa.select(Connection.id)).all():
                resume_connection(session, db, connection_id)

    def _kill(self, step: Step) -> None:
        self._send(self._stage.crew.awake(), step, signal.SIGKILL)

    def _terminate(self, step: Step) -> None:
        self._send(self._stage.crew.awake(), step, signal.SIGTERM)

    def _freeze(self, step: Step) -> None:
        self._send(self._stage.crew.awake(webs=False), step, signal.SIGSTOP)

    def _send(self, members: Sequence[Member], step: Step, how: signal.Signals) -> None:
        # None runs while the database is away and all have tried to start without it.
        if members:
            self._stage.crew.send(members[step.which % len(members)], how)

    def _stop_database(self, step: Step) -> None:
        if self._stage.postgres and not self._is_away:
            self._stage.postgres.stop(signal.Signals[step.how])
            self._is_away = True

    def _start_database(self) -> None:
        if self._stage.postgres is None:
            return
        if self._stage.disk:
            self._stage.disk.free()
        # Where there was no space for its log it has given up by itself.
        if not self._is_away and self._stage.postgres.is_running:
            return
        deadline = time.monotonic() + START_AGAIN_SECONDS
        while True:
            try:
                self._stage.postgres.start()
                self._is_away = False
                return
            except NoPostgresError:
                # Backends of a killed server hold its memory until they notice.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _fill_database(self) -> None:
        if self._stage.disk:
            self._stage.disk.fill()
            self.filled += 1

    def _cut(self) -> None:
        if self._stage.postgres is None or self._is_away:
            return
        url = self._stage.postgres.url
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute(CUT)

    def _lock(self, step: Step) -> None:
        """Hold SQLite's write lock, as another program with the file might."""
        self._begin(self._hold_lock, step.value)

    def _begin(self, act: Callable[..., None], *what: object) -> None:
        """Do what may have to wait for a frozen process's lock, while the plan goes on."""
        thread = threading.Thread(target=act, args=what, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _hold_lock(self, seconds: float) -> None:
        path = self._stage.runtime.db.url.database or ""
        connecting = contextlib.closing(sqlite3.connect(path, timeout=30))
        with connecting as connection, contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.rollback()

    def _pms_fault(self, step: Step) -> None:
        left = max(1, int(step.value * 20))
        self._stage.faults.switch_on(Fault(FaultKind(step.how), left, seconds=PMS_SECONDS))

    def _wire_fault(self, step: Step) -> None:
        self._stage.proxy.switch_on(WireFault(step.how), step.value)

    def _mend(self, step: Step) -> None:
        if step.how in list(FaultKind):
            self._stage.faults.switch_off(FaultKind(step.how))
        else:
            self._stage.proxy.switch_off(WireFault(step.how))
        self._begin(self.resume)

    def _jump(self, step: Step) -> None:
        self._host(step).set_clock(step.value)
        self.furthest_clock = max(self.furthest_clock, step.value)

    def _make_drowsy(self) -> None:
        """All workers' hosts but one, so that somebody is left to overtake the others; returns when
        somebody has stopped, and there was time for that."""
        hosts = self._stage.worker_hosts
        self._drowsy = list(hosts[1:] or hosts)
        for host in self._drowsy:
            host.make_drowsy()
        deadline = time.monotonic() + ASLEEP_SECONDS
        while all(host.is_drowsy for host in self._drowsy) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        time.sleep(OVERTAKEN_SECONDS)

    def _host(self, step: Step) -> Host:
        return self._stage.hosts[step.which % len(self._stage.hosts)]

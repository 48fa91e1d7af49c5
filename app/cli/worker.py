"""`ringnote worker`, and how whatever runs long comes to a graceful end."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from ..delivery.claim_queries import LEASE_SECONDS
from ..errors import ConfigError
from ..logs import configure_logs, get_logger
from ..runtime import Runtime
from ..worker import Worker
from .context import is_hosted, pass_runtime

STOPPING = {signal.SIGTERM, signal.SIGINT}
PAUSE_SECONDS = 5.0
END_SECONDS = LEASE_SECONDS - 2.0
"""How long what was begun may take to be finished once the process is told to end."""
METRICS_THREADS = 4

log = get_logger(__name__)


@click.command()
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--until-idle", is_flag=True, help="Work off all that is due now, then end.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /healthz there."
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@pass_runtime
def worker(
    runtime: Runtime, threads: int, until_idle: bool, metrics_port: int | None, metrics_host: str
) -> None:
    """Settle calls and write to the PMS; any number may run, on any number of machines.

    Ctrl-C or SIGTERM ends it once what was begun is finished, within 8 seconds.
    """
    if until_idle and metrics_port is not None:
        raise click.UsageError("--metrics-port is for a worker that goes on, without --until-idle.")
    if not is_hosted(click.get_current_context()):
        configure_logs(runtime.settings.log_format)
    _ = runtime.vault
    work = Worker(runtime, threads)
    if until_idle:
        work.run_until_idle()
        return
    stop = threading.Event()
    thread = threading.Thread(target=keep_working, args=(work, stop), name="ringnote-worker")
    with ExitStack() as afterwards:
        with signals_held():
            if metrics_port is not None:
                afterwards.enter_context(_watched(runtime, metrics_host, metrics_port))
            thread.start()
            signal.sigwait(STOPPING)
        end_in_time()
        stop.set()
        work.wake()
        thread.join()


@contextmanager
def _watched(runtime: Runtime, host: str, port: int) -> Iterator[None]:
    """Have `/metrics` answered in a thread; should that fail, the worker goes on."""
    # A worker that is not asked to needs no web framework.
    from ..web.extension import create_monitored
    from ..web.server import Server

    if not runtime.settings.metrics_token:
        raise ConfigError("RINGNOTE_METRICS_TOKEN is not set; who reads /metrics has to show it")
    app = create_monitored(runtime)
    server = Server(app, host, port, option="--metrics-port", threads=METRICS_THREADS)
    thread = threading.Thread(target=server.run, name="ringnote-metrics")
    thread.start()
    click.echo(f"Metrics are at {server.url}/metrics")
    try:
        yield
    finally:
        server.stop()
        thread.join()


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep SIGTERM and SIGINT for who waits for them by `sigwait`; after it, they end at once."""
    # Threads inherit the mask, so a signal reaches nobody but the one who waits for it; a handler
    # could interrupt a thread that holds the very lock which the handler needs.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        # A second signal ends the process at once.
        for each in STOPPING:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def end_in_time() -> None:
    """Have this process end within END_SECONDS, whatever still hangs by then.

    A PMS that does not answer is let go: the lease of what it was asked for runs out, and whoever
    claims it next looks whether it was carried out.
    """
    watchdog = threading.Timer(END_SECONDS, _let_go)
    watchdog.daemon = True
    watchdog.start()


def _let_go() -> None:
    log.warning("process.let_go", seconds=END_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    # Neither threads that wait for a PMS nor connections that hang are waited for.
    os._exit(0)


def keep_working(worker: Worker, stop: threading.Event) -> None:
    """The worker's outermost frame: a bug must not leave webhooks taken and never worked off."""
    while not stop.is_set():
        try:
            worker.run(stop)
        except Exception:
            log.exception("worker.failed")
            stop.wait(PAUSE_SECONDS)

"""`ringnote serve`: webhooks, console and worker in one process."""

import os
import signal
import threading

import click

from ..access.users import has_users
from ..logs import configure_logs, get_logger
from ..runtime import Runtime
from ..web.extension import create_app
from ..web.server import Server
from ..worker import Worker
from .context import pass_runtime
from .worker import STOPPING, end_in_time, keep_working, signals_held

log = get_logger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--no-worker", is_flag=True, help="Only take webhooks; run ringnote worker apart.")
@pass_runtime
def serve(runtime: Runtime, host: str, port: int, no_worker: bool) -> None:
    """Take webhooks, show the console, and work off what comes, in one process.

    Ctrl-C or SIGTERM ends it once what was begun is finished, within 8 seconds.
    """
    configure_logs(runtime.settings.log_format)
    if not no_worker:
        # A missing key is told here, not when the first note is to be written.
        _ = runtime.vault
    stop, failed = threading.Event(), threading.Event()
    # Held before the first thread begins, the server's own among them.
    with signals_held():
        server = Server(create_app(runtime=runtime), host, port)
        worker = None if no_worker else Worker(runtime)
        threads = [
            threading.Thread(target=_serve_until_end, args=(server, failed), name="ringnote-server")
        ]
        if worker:
            threads.append(
                threading.Thread(target=keep_working, args=(worker, stop), name="ringnote-worker")
            )
        for thread in threads:
            thread.start()
        click.echo(f"Ringnote is at {server.url} (Ctrl-C ends it)")
        _say_who_gets_in(runtime)
        signal.sigwait(STOPPING)
    end_in_time()
    stop.set()
    if worker:
        worker.wake()
    server.stop()
    for thread in threads:
        thread.join()
    if failed.is_set():
        raise click.exceptions.Exit(1)


def _say_who_gets_in(runtime: Runtime) -> None:
    with runtime.db.reading() as session:
        if not has_users(session):
            click.echo(
                "Nobody can sign in yet, so the console answers this machine alone."
                " Let somebody in: ringnote user add NAME --role admin"
            )


def _serve_until_end(server: Server, failed: threading.Event) -> None:
    try:
        server.run()
    except Exception:
        log.exception("server.failed")
        failed.set()
        # Whoever supervises the process starts it anew; it must not stand there answering nobody.
        os.kill(os.getpid(), signal.SIGTERM)

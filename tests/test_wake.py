"""Wake-ups, while the database is there and after it was not."""

import socket
import sqlite3
import threading
from contextlib import closing

from factories import make_clinic
from ringnote import db as module
from ringnote import wake
from ringnote.db import Database
from ringnote.wake import Waker, watching
from running import wait_for


def test_whoever_watches_hears_of_a_commit(db):
    woken, waker = threading.Event(), Waker(db)
    with watching(db, woken):
        # At first it is set in any case.
        assert woken.wait(10)
        woken.clear()
        make_clinic(db)
        waker.notify()

        assert woken.wait(10)
    waker.close()


def test_whoever_watches_goes_on_after_a_file_could_not_be_read(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "SQLITE_BUSY_SECONDS", 0)
    monkeypatch.setattr(wake, "AGAIN_SECONDS", 0.05)
    db, woken = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}"), threading.Event()
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with watching(db, woken):
            wait_for(lambda: "wake.watch_failed" in caplog.text)
            assert not woken.is_set()
            other.close()

            assert woken.wait(10)
    db.dispose()


def wakers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "ringnote-waker"}


def test_it_is_closed_though_the_database_hangs(monkeypatch):
    monkeypatch.setattr(wake, "CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "POSTGRES_CONNECT_SECONDS", 20)
    others = wakers()
    with socket.create_server(("127.0.0.1", 0)) as server:
        db = Database(f"postgresql+psycopg://127.0.0.1:{server.getsockname()[1]}/ringnote")
        waker = Waker(db)
        waker.notify()
        with server.accept()[0]:
            waker.close()

            [thread] = wakers() - others
            assert thread.is_alive()
    thread.join()
    db.dispose()


def test_to_tell_never_fails_where_no_thread_can_be_begun(monkeypatch, caplog):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    db = Database("postgresql+psycopg://127.0.0.1:9/ringnote")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        Waker(db).notify()
    db.dispose()

    assert "wake.no_thread" in caplog.text

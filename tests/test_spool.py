"""The spool's files: nothing that was acknowledged is lost, whoever dies when."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringnote import spool as module
from ringnote.spool import Spool, SpoolFullError
from ringnote.spool_lines import PART_BYTES, Spooled, write_line

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)
FORKER = """
import os, sys, time
from datetime import datetime, UTC
from pathlib import Path
from ringnote.spool import Spool
from ringnote.spool_lines import Spooled

spool = Spool(Path(sys.argv[1]))
spool.append(Spooled("e-1", datetime.now(UTC), "hash", "text/plain", b"x"))
child = os.fork()
if child == 0:
    print("forked", flush=True)
    sys.stdin.readline()
    os._exit(0)
time.sleep(60)
"""
WRITER = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from ringnote.spool import Spool
from ringnote.spool_lines import Spooled

spool = Spool(Path(sys.argv[1]))
for number in range(10_000):
    at = datetime.now(UTC)
    spool.append(Spooled(f"{sys.argv[2]}-{number:05}", at, "hash", "text/plain", b"x" * 500))
    print(f"{sys.argv[2]}-{number:05}", flush=True)
"""


def webhook(number: int, body: bytes = b"eventType=HangupCall") -> Spooled:
    return Spooled(f"e-{number}", AT + timedelta(seconds=number), "hash", "text/plain", body)


class Kept:
    """A database for as long as it is up."""

    def __init__(self) -> None:
        self.webhooks: list[Spooled] = []
        self.is_up = True
        self.refuses: set[str] = set()

    def __call__(self, webhooks):
        if not self.is_up:
            raise ConnectionError("away")
        refused = [each for each in webhooks if each.event_id in self.refuses]
        self.webhooks += [each for each in webhooks if each not in refused]
        return refused


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_what_was_put_in_comes_out_in_order_and_once(spool, kept):
    put = [webhook(number, os.urandom(number)) for number in range(250)]
    for each in put:
        spool.append(each)
    assert spool.has_own

    assert spool.drain(kept) == 250
    assert kept.webhooks == put
    assert spool.drain(kept) == 0
    assert spool.is_empty()
    assert not spool.has_own


def test_it_stays_while_the_database_is_away(spool, kept):
    kept.is_up = False
    for number in range(3):
        spool.append(webhook(number))
        with pytest.raises(ConnectionError):
            spool.drain(kept)

    kept.is_up = True
    assert spool.drain(kept) == 3
    assert [each.event_id for each in kept.webhooks] == ["e-0", "e-1", "e-2"]


def test_what_comes_while_it_is_drained_is_drained_too(spool, kept):
    def store(webhooks):
        if len(kept.webhooks) < 500:
            spool.append(webhook(1000 + len(kept.webhooks)))
        return kept(webhooks)

    for number in range(300):
        spool.append(webhook(number))
    spool.drain(store)

    assert [each.event_id for each in kept.webhooks[:300]] == [f"e-{n}" for n in range(300)]
    assert len(kept.webhooks) == len(set(kept.webhooks)) > 300
    assert spool.is_empty()


def test_a_large_one_is_read_in_parts(spool, kept):
    body = os.urandom(64 * 1024)
    count = PART_BYTES // len(body) + 20
    for number in range(count):
        spool.append(webhook(number, body))

    assert spool.drain(kept) == count
    assert {each.body for each in kept.webhooks} == {body}


def test_what_the_database_will_never_take_is_put_by_and_stops_nothing(spool, kept, tmp_path):
    kept.refuses = {"e-1"}
    for number in range(3):
        spool.append(webhook(number))

    assert spool.drain(kept) == 3
    assert [each.event_id for each in kept.webhooks] == ["e-0", "e-2"]
    assert spool.is_empty()
    assert b'"id": "e-1"' in (tmp_path / "spool" / "refused.lines").read_bytes()
    assert spool.measure().refused > 0


def test_a_full_one_says_so_and_keeps_what_it_has(tmp_path, kept):
    spool = Spool(tmp_path, max_bytes=1000)
    spool.append(webhook(1))
    with pytest.raises(SpoolFullError):
        spool.append(webhook(2, b"x" * 2000))
    spool.append(webhook(3))

    assert spool.drain(kept) == 2
    assert [each.event_id for each in kept.webhooks] == ["e-1", "e-3"]


def test_a_disk_that_is_full_leaves_nothing_half_written(spool, kept, monkeypatch):
    spool.append(webhook(1))

    def fail(_file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ringnote.spool.os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            spool.append(webhook(2))
    spool.append(webhook(3))

    assert spool.drain(kept) == 2
    assert [each.event_id for each in kept.webhooks] == ["e-1", "e-3"]


def test_what_lies_in_one_that_is_closed_is_stored_by_another_of_its_process(spool, kept, tmp_path):
    before = {*Path("/proc/self/fd").iterdir()}
    spool.append(webhook(1))
    spool.close()

    assert {*Path("/proc/self/fd").iterdir()} == before
    assert Spool(tmp_path / "spool").drain(kept) == 1
    spool.append(webhook(2))
    assert spool.drain(kept) == 1
    assert [each.event_id for each in kept.webhooks] == ["e-1", "e-2"]


def test_what_was_torn_by_the_end_of_its_process_is_left_out(tmp_path, kept):
    dead = Spool(tmp_path)
    dead.append(webhook(1))
    dead.append(webhook(2))
    os.close(dead._file)
    [path] = tmp_path.glob("*.spool")
    os.truncate(path, path.stat().st_size - 7)

    assert Spool(tmp_path).drain(kept) == 1
    assert [each.event_id for each in kept.webhooks] == ["e-1"]
    assert list(tmp_path.glob("*.spool")) == []


def test_another_living_process_s_file_is_left_alone(tmp_path, kept):
    with started(tmp_path, "a") as process:
        process.stdout.readline()

        assert Spool(tmp_path).drain(kept) == 0

        process.send_signal(signal.SIGKILL)
        process.wait()


def test_whatever_was_acknowledged_before_a_kill_is_found_by_another(tmp_path, kept):
    acknowledged = []
    for name in "abc":
        with started(tmp_path, name) as process:
            acknowledged += [process.stdout.readline().strip() for _ in range(40)]
            process.send_signal(signal.SIGKILL)
            acknowledged += process.stdout.read().split("\n")[:-1]
            process.wait()

    finders = [threading.Thread(target=Spool(tmp_path).drain, args=(kept,)) for _ in range(4)]
    for thread in finders:
        thread.start()
    for thread in finders:
        thread.join()

    found = [each.event_id for each in kept.webhooks]
    assert set(acknowledged) <= set(found)
    # At most one of each was on the disk and not acknowledged yet.
    assert len(set(found)) <= len(acknowledged) + 3
    assert len(found) == len(set(found))
    for name in "abc":
        mine = [each for each in found if each.startswith(name)]
        assert mine == sorted(mine)


def test_a_child_after_a_fork_writes_to_a_file_of_its_own(spool, kept, tmp_path):
    spool.append(webhook(1))
    child = os.fork()
    if child == 0:
        spool.append(webhook(2))
        os._exit(0)
    os.waitpid(child, 0)

    assert len(list((tmp_path / "spool").glob("*.spool"))) == 2
    assert spool.drain(kept) == 2
    assert {each.event_id for each in kept.webhooks} == {"e-1", "e-2"}


def test_what_a_process_left_is_found_though_a_child_of_its_own_lives_on(tmp_path, kept):
    command = [sys.executable, "-c", FORKER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as parent:
        assert parent.stdout.readline() == "forked\n"
        assert Spool(tmp_path).drain(kept) == 0

        parent.send_signal(signal.SIGKILL)
        parent.wait()
        found = Spool(tmp_path).drain(kept)
        # The child ends once its standard input does.
        parent.stdin.close()

    assert found == 1
    assert [each.event_id for each in kept.webhooks] == ["e-1"]


def test_what_could_not_be_taken_over_is_tried_again_though_a_child_was_forked_meanwhile(
    tmp_path, kept
):
    (tmp_path / "1-dead.spool").write_bytes(write_line(webhook(1)))
    spool, children, (going, end) = Spool(tmp_path), [], os.pipe()

    def fork_and_fail(_webhooks):
        children.append(os.fork())
        if children[-1] == 0:
            os.close(end)
            os.read(going, 1)
            os._exit(0)
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        spool.drain(fork_and_fail)
    found = spool.drain(kept)
    os.close(end)
    os.waitpid(children[0], 0)
    os.close(going)

    assert found == 1


def test_a_child_is_not_held_up_by_what_its_parent_s_threads_were_at(spool, kept, monkeypatch):
    begun, go_on, parent = threading.Event(), threading.Event(), os.getpid()

    def sync(_file):
        if os.getpid() == parent:
            begun.set()
            go_on.wait(10)

    spool.append(webhook(1))
    monkeypatch.setattr(module.os, "fsync", sync)
    busy = threading.Thread(target=spool.append, args=(webhook(2),))
    busy.start()
    begun.wait(10)
    child = os.fork()
    if child == 0:
        # Ended by SIGALRM if it waits for a lock that nobody gives back.
        signal.alarm(5)
        spool.append(webhook(3))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    go_on.set()
    busy.join()

    assert os.waitstatus_to_exitcode(status) == 0
    assert spool.drain(kept) == 3


def test_a_file_that_another_takes_for_an_ended_process_s_is_made_anew(
    spool, kept, tmp_path, monkeypatch
):
    def flock(file, operation, lock=fcntl.flock):
        monkeypatch.setattr(fcntl, "flock", lock)
        Spool(tmp_path / "spool").drain(kept)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    spool.append(webhook(1))

    assert not spool.is_empty()


def test_a_file_that_is_not_durable_leaves_nothing_open(spool, monkeypatch):
    def fail(_folder):
        raise OSError("the folder cannot be synced")

    monkeypatch.setattr(module, "_sync_folder", fail)
    before = {*Path("/proc/self/fd").iterdir()}
    with pytest.raises(OSError, match="synced"):
        spool.append(webhook(1))

    assert {*Path("/proc/self/fd").iterdir()} == before


def test_how_much_waits_and_since_when_can_be_seen(spool):
    assert spool.measure().since is None
    spool.append(webhook(1))

    held = spool.measure()
    assert (held.files, held.refused) == (1, 0)
    assert held.bytes > 100
    assert held.since == (AT + timedelta(seconds=1)).timestamp()


def test_it_has_waited_since_its_first_webhook_however_many_follow(tmp_path, kept):
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append(webhook(20))
    second.append(webhook(10))
    second.append(webhook(30))

    assert first.measure().since == (AT + timedelta(seconds=10)).timestamp()
    second.drain(kept)
    assert first.measure().since == (AT + timedelta(seconds=20)).timestamp()


def test_one_that_holds_only_what_was_torn_has_waited_since_that_was_written(tmp_path):
    (tmp_path / "1-dead.spool").write_bytes(b"0badbeef {")
    began = time.time()

    held = Spool(tmp_path).measure()

    assert held.files == 1
    assert began - 60 < held.since <= time.time()


def started(folder, name) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name], stdout=subprocess.PIPE, text=True
    )


def test_a_file_that_is_removed_while_it_is_looked_at_holds_nothing(spool, tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "_files", lambda: [tmp_path / "emptied-by-another.spool"])

    assert spool.is_empty()
    assert spool.measure().files == 0

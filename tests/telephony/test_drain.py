"""The thread that empties a process's spool."""

import threading

import pytest

from ringnote.clock import utc_now
from ringnote.spool import Spool
from ringnote.spool_lines import Spooled
from ringnote.telephony import drain as module
from ringnote.telephony.drain import Drain
from running import wait_for


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_broke_down_is_begun_anew_with_a_later_webhook(runtime, tmp_path, monkeypatch):
    runtime.spool = Spool(tmp_path / "spool")
    runtime.spool.append(Spooled("e-1", utc_now(), "hash", "text/plain", b"x"))
    begun, drained = [], threading.Event()

    def break_down(_runtime):
        begun.append(threading.current_thread())
        if len(begun) == 1:
            raise MemoryError
        runtime.spool.drain(lambda _webhooks: [])
        drained.set()
        return 1

    monkeypatch.setattr(module, "drain_spool", break_down)
    drain = Drain(runtime)
    drain.look()
    wait_for(lambda: begun and not begun[0].is_alive())
    drain.look()

    assert drained.wait(10)

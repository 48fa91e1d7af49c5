"""What a process counts, and what becomes of that where it cannot be written down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringnote.metrics.tally import Answer, Tally

COUNT_AND_LOSE = """
import os, shutil, sys
from ringnote.metrics.tally import Answer, Tally

tally = Tally(None)
tally.count_webhook(Answer.ACCEPTED, 0.1)
shutil.rmtree(sys.argv[1])
# Each process has files of its own.
if os.fork() == 0:
    for _ in range(3):
        tally.count_try("sandbox", "written", 0.5)
        tally.count_webhook(Answer.ACCEPTED, 0.1)
        tally.count_settled(1)
    print("went on", list(tally.collect()), flush=True)
    os._exit(0)
sys.exit(os.wait()[1])
"""


def shared(folder: Path, code: str) -> subprocess.CompletedProcess:
    """Run code in a process that counts in a folder; the library looks for it when imported."""
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def samples(tally: Tally) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in tally.collect()
        for sample in metric.samples
    }


def test_every_answer_is_there_before_the_first_of_its_kind():
    found = samples(Tally(None))

    assert {key: each for key, each in found.items() if key[0] == "ringnote_webhooks_total"} == {
        ("ringnote_webhooks_total", answer): 0 for answer in Answer
    }


def test_no_more_is_told_than_is_counted():
    tally = Tally(None)
    tally.count_try("sandbox", "written", 0.1)
    tally.count_settled(3)

    names = {name for name, *_ in samples(tally)}

    assert [name for name in names if name.endswith("_created")] == []
    assert samples(tally)["ringnote_settled_subjects_total",] == 3


def test_a_try_that_could_not_be_begun_took_no_time():
    tally = Tally(None)

    tally.count_try("sandbox", "again", 0.0)

    found = samples(tally)
    assert found["ringnote_tries_total", "sandbox", "again"] == 1
    assert ("ringnote_try_seconds_count", "sandbox") not in found


def test_a_folder_that_goes_away_stops_the_counting_alone(tmp_path):
    folder = tmp_path / "counts"
    folder.mkdir()

    ran = shared(folder, COUNT_AND_LOSE)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "went on []\n"
    assert ran.stderr.count("metrics.counting_ended") == 1


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path, kind):
    folder = tmp_path / "counts"
    if kind == "a file":
        folder.write_text("")
    code = "import ringnote.metrics.tally as t; t.Tally(None)"

    ran = shared(folder, code)

    assert ran.returncode == 1
    assert "ConfigError: PROMETHEUS_MULTIPROC_DIR: nothing can be written to" in ran.stderr


def test_where_the_shared_folder_has_no_room_nothing_starts(tmp_path):
    code = """
import errno, os
from ringnote.errors import ConfigError
from ringnote.metrics.tally import Tally

def refuse(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

os.posix_fallocate = refuse
try:
    Tally(None)
except ConfigError as error:
    print(error)
"""

    ran = shared(tmp_path, code)

    assert "PROMETHEUS_MULTIPROC_DIR" in ran.stdout, ran.stderr
    assert "No space left on device" in ran.stdout


def test_what_the_counts_take_in_the_shared_folder_is_taken_from_the_disk_at_once(tmp_path):
    code = """
from ringnote.metrics.tally import Answer, Tally

tally = Tally(None)
tally.count_webhook(Answer.ACCEPTED, 0.1)
tally.count_try("sandbox", "written", 0.5)
print([each.name for each in tally.collect()])
"""

    ran = shared(tmp_path, code)

    files = {each.name.split("_")[0]: each.stat() for each in tmp_path.iterdir()}
    assert set(files) == {"counter", "histogram"}, ran.stderr
    assert all(stat.st_blocks * 512 >= stat.st_size > 0 for stat in files.values())
    assert "ringnote_webhooks" in ran.stdout

"""The words of entries: clocks, languages, and that all of them can be translated."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringnote.ledger import wording
from ringnote.ledger.wording import Voice

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 2, 19, 5, tzinfo=UTC)
FRENCH = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.mark.parametrize(
    ("voice", "said"),
    [
        (Voice("America/New_York", "US"), "Mon 2 Mar 2026, 2:05 pm"),
        (Voice("Europe/London", "GB"), "Mon 2 Mar 2026, 19:05"),
        (Voice("America/New_York", "US", "24"), "Mon 2 Mar 2026, 14:05"),
        (Voice("Europe/Berlin", "DE", "12"), "Mon 2 Mar 2026, 8:05 pm"),
    ],
)
def test_times_are_told_by_the_clinics_own_clock(voice, said):
    assert voice.moment(NOON) == said


@pytest.mark.parametrize(
    ("days", "said"), [(0, "2:05 pm"), (1, "Sun 1 Mar, 2:05 pm"), (70, "Mon 22 Dec 2025, 2:05 pm")]
)
def test_what_was_lately_is_told_with_no_more_of_its_day_than_is_needed(days, said):
    at = NOON - timedelta(days=days)

    assert Voice("America/New_York", "US").lately(at, NOON + timedelta(hours=5)) == said


def test_what_is_to_be_translated_is_gathered(tmp_path):
    words = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract"]
    words += ["-F", "scripts/words.cfg", "-k", "say", "-k", "say_many:1,2", "--no-location"]
    words += ["--sort-output", "--omit-header", "-o", str(tmp_path / "new.pot"), "app"]

    subprocess.run(words, check=True, cwd=ROOT, timeout=60)

    kept = (ROOT / "app/locale/ringnote.pot").read_text()
    assert (tmp_path / "new.pot").read_text() == kept, "run: make words"
    assert 'msgid "Missed call"' in kept
    for said in ("waited {time}", "Times are those of receipt.", "closed by {who}"):
        assert f'msgid "{said}"' in kept


def test_a_catalogue_in_the_package_is_spoken(tmp_path, monkeypatch):
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    said = FRENCH + 'msgid "Missed call"\nmsgstr "Appel manqué"\n'
    (folder / "ringnote.po").write_text(said)
    words = [sys.executable, "-m", "babel.messages.frontend", "-q", "compile"]
    subprocess.run(
        [*words, "-D", "ringnote", "-d", str(tmp_path)], check=True, cwd=ROOT, timeout=60
    )
    monkeypatch.setattr(wording, "CATALOGUES", tmp_path)
    wording._catalogue.cache_clear()

    voice = Voice("Europe/Paris", "FR", language="fr")
    told = voice.say("Missed call"), voice.moment(NOON), wording.languages()

    wording._catalogue.cache_clear()
    assert told == ("Appel manqué", "lun. 2 mars 2026, 20:05", ["en", "fr"])

"""`ringnote housekeeping`, and what `ringnote check` says of the house."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_clinic
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.models import Housekeeping
from stories import Phone, settle


@pytest.fixture
def run(runtime):
    def run(*words):
        return CliRunner().invoke(main, [*words], obj=runtime)

    return run


def house(run) -> list[tuple[str, str]]:
    found = json.loads(run("check", "--json").stdout)["findings"]
    return [(each["state"], each["detail"]) for each in found if each["subject"] == "house"]


def test_check_tells_the_size_the_age_and_that_nobody_has_cleaned_yet(runtime, run):
    began = (utc_now() - timedelta(days=3)).replace(hour=12)
    phone = Phone(runtime, make_clinic(runtime.db), at=began)
    phone.answered("u-1")

    [(_, size), *rest] = house(run)

    assert f"webhooks since {began:%F}" in size
    assert " MB" in size
    assert ("hint", "housekeeping has not run yet; a running worker does it every hour") in rest


def test_after_housekeeping_all_is_well(runtime, run):
    phone = Phone(runtime, make_clinic(runtime.db), at=utc_now() - timedelta(days=200))
    phone.answered("u-1")
    settle(runtime)

    purged = json.loads(run("housekeeping", "--json").stdout)

    assert isinstance(purged, dict)
    assert {state for state, _ in house(run)} == {"ok"}


def test_that_no_worker_has_cleaned_for_long_is_a_fault(runtime, run):
    run("housekeeping")
    with runtime.db.transaction() as session:
        long_ago = utc_now() - timedelta(hours=9)
        session.execute(sa.update(Housekeeping).values(finished_at=long_ago))

    faults = [said for state, said in house(run) if state == "fault"]

    assert len(faults) == 1
    assert "see that a worker runs" in faults[0]

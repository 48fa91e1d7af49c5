"""What a load balancer is told."""

from ringnote import create_receiver, schema
from ringnote.db import Database
from ringnote.runtime import Runtime


def test_a_process_that_is_up_says_so(runtime):
    answer = create_receiver(runtime=runtime).test_client().get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_it_is_ready_when_the_schema_is_this_version_s(runtime):
    answer = create_receiver(runtime=runtime).test_client().get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_it_is_not_ready_when_the_schema_is_behind(runtime):
    schema.migrate(runtime.db, "base")

    answer = create_receiver(runtime=runtime).test_client().get("/readyz")

    assert answer.status_code == 503
    assert "run: ringnote migrate" in answer.json["reason"]


def test_it_is_not_ready_when_the_database_is_away(runtime):
    away = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")

    answer = create_receiver(runtime=Runtime(runtime.settings, away)).test_client().get("/readyz")

    away.dispose()
    assert (answer.status_code, answer.json["reason"]) == (503, "The database cannot be reached.")

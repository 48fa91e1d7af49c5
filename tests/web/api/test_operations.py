"""How the API is mounted, and what is the same for all its operations."""

import pytest
from flask import Flask

from programs import Program
from ringnote import Ringnote
from ringnote.errors import ConfigError
from ringnote.runtime import Runtime
from ringnote.settings import load_settings


def test_head_is_get_without_the_body_and_options_tells_the_methods(program, clinic):
    got, head = program.ask("/clinics"), program.ask("/clinics", "HEAD")
    options = program.ask("/clinics", "OPTIONS")

    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == got.content_length
    assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert program.refused("/nothing", "OPTIONS")[0] == 404


def test_no_answer_is_kept_or_framed(app, program):
    refused = Program(app, None).ask("/clinics")
    paths = ("/clinics", "/nothing", "/clinics?x=1", "/openapi.json")

    for answer in (refused, *map(program.ask, paths)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_it_may_be_left_out_and_mounted_elsewhere(runtime, issue, clinic):
    without, mounted = Flask("without"), Flask("mounted")
    Ringnote(without, api=False, runtime=runtime)
    Ringnote(mounted, url_prefix="/phones", runtime=runtime)
    headers = issue().headers

    assert without.test_client().get("/ringnote/api/v1/clinics").status_code == 404
    answer = mounted.test_client().get("/phones/api/v1/clinics", headers=headers)
    assert answer.json["items"][0]["id"] == clinic.id
    document = mounted.test_client().get("/phones/api/v1/openapi.json").json
    assert document["servers"] == [{"url": "/phones/api/v1"}]


def test_without_a_key_that_all_machines_share_it_is_not_mounted():
    settings = load_settings({"database_url": "postgresql://nobody@127.0.0.1:9/none"}, environ={})

    with pytest.raises(ConfigError, match="RINGNOTE_SECRET_KEY"):
        Ringnote(Flask("host"), console=False, runtime=Runtime.from_settings(settings))

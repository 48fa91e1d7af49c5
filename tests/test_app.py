"""Ringnote mounted in a host's application, and by itself."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import flask
import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote import Ringnote, create_app, create_receiver, person
from ringnote.clock import utc_now
from ringnote.errors import ConfigError
from ringnote.runtime import Runtime
from ringnote.telephony.tokens import issue_webhook_token

ROOT = Path(__file__).parent.parent


def make_host(**config: object) -> flask.Flask:
    host = flask.Flask("host")
    host.config.update(config)

    @host.get("/")
    def home() -> str:
        return "the host's own page"

    return host


def post_webhook(app: flask.Flask, runtime: Runtime, prefix: str):
    clinic = make_clinic(runtime.db)
    with runtime.db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, utc_now())
    fields = {"eventType": "HangupCall", "containerId": clinic.container_id, "callUuid": "u-1"}
    return app.test_client().post(f"{prefix}/webhooks/{token}", data=urlencode(fields))


def test_a_webhook_is_taken_under_the_prefix_of_a_host(runtime):
    host = make_host()
    Ringnote(host, runtime=runtime)

    answer = post_webhook(host, runtime, "/ringnote")

    assert answer.json == {"status": "accepted"}
    assert host.extensions["ringnote"] is runtime


def test_it_may_be_mounted_later_and_elsewhere(runtime):
    host = make_host()
    ringnote = Ringnote(url_prefix="/phones/", runtime=runtime)

    ringnote.init_app(host)

    assert post_webhook(host, runtime, "/phones").status_code == 200


def test_one_ringnote_may_be_mounted_into_two_applications(runtime):
    ringnote = Ringnote(runtime=runtime)
    first, second = make_host(), make_host()

    ringnote.init_app(first)
    ringnote.init_app(second)

    assert post_webhook(first, runtime, "/ringnote").status_code == 200
    assert post_webhook(second, runtime, "/ringnote").status_code == 200


def test_mounting_twice_into_one_application_is_refused(runtime):
    host = make_host()
    Ringnote(host, runtime=runtime)

    with pytest.raises(ConfigError, match="mounted in this application already"):
        Ringnote(host, runtime=runtime)


def test_the_host_is_left_as_it_was(runtime):
    host, untouched = make_host(), make_host()

    Ringnote(host, runtime=runtime)

    assert host.config == untouched.config
    assert host.error_handler_spec[None] == untouched.error_handler_spec[None]
    assert None not in host.before_request_funcs | host.after_request_funcs
    assert host.jinja_env.globals.keys() == untouched.jinja_env.globals.keys()
    others = [rule.rule for rule in host.url_map.iter_rules() if rule.endpoint != "home"]
    assert all(rule.startswith(("/ringnote", "/static")) for rule in others)
    answer = host.test_client().get("/")
    assert answer.text == "the host's own page"
    assert "Content-Security-Policy" not in answer.headers


def test_blueprints_of_the_same_names_in_the_host_do_no_harm(runtime):
    host = make_host()
    for name in ("webhooks", "health", "console"):
        host.register_blueprint(flask.Blueprint(name, "host"), url_prefix=f"/{name}")

    Ringnote(host, runtime=runtime)

    assert host.test_client().get("/ringnote/healthz").status_code == 200


def test_links_follow_the_path_that_a_proxy_serves_the_host_below(runtime):
    host = make_host()
    Ringnote(host, runtime=runtime, current_user=lambda: person("Kim", "viewer"))

    page = host.test_client().get("/ringnote/", environ_overrides={"SCRIPT_NAME": "/portal"})

    links = re.findall(r'(?:href|src|action|data-[a-z]+)="(/[^"]*)"', page.text)
    assert len(links) > 5
    assert [link for link in links if not link.startswith("/portal/ringnote/")] == []


def test_a_host_that_lowers_its_own_limit_still_takes_webhooks(runtime):
    host = make_host(MAX_CONTENT_LENGTH=10)
    Ringnote(host, runtime=runtime)

    assert post_webhook(host, runtime, "/ringnote").status_code == 200


def test_a_body_that_the_host_has_read_already_is_not_acknowledged(runtime):
    host = make_host()
    Ringnote(host, runtime=runtime)

    @host.before_request
    def look() -> None:
        flask.request.stream.read()

    assert post_webhook(host, runtime, "/ringnote").status_code == 503


def test_an_argument_wins_over_the_host_s_config_and_that_over_the_environment(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("RINGNOTE_PUBLIC_URL", "https://environment.example")
    monkeypatch.setenv("RINGNOTE_LOG_FORMAT", "json")
    host = make_host(
        RINGNOTE_DATA_DIR=tmp_path / "host", RINGNOTE_PUBLIC_URL="https://host.example"
    )

    Ringnote(host, data_dir=tmp_path / "argument")

    settings = host.extensions["ringnote"].settings
    assert settings.data_dir == tmp_path / "argument"
    assert settings.public_url == "https://host.example"
    assert settings.log_format == "json"


def test_the_engine_of_a_host_decides_whatever_url_is_set_elsewhere(db, tmp_path, monkeypatch):
    monkeypatch.setenv("RINGNOTE_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}")
    host = make_host()

    Ringnote(host, engine=db.engine, data_dir=tmp_path, secret_key="a key")

    runtime = host.extensions["ringnote"]
    assert runtime.db.url == db.url == sa.make_url(runtime.settings.url)


def test_a_host_on_postgresql_is_asked_for_the_keys_that_its_machines_share(
    postgres_copy, tmp_path
):
    engine = sa.create_engine(postgres_copy)

    with pytest.raises(ConfigError, match="RINGNOTE_SECRET_KEY is not set"):
        Ringnote(make_host(), engine=engine, data_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_all_named(tmp_path):
    host = make_host(RINGNOTE_LOG_FROMAT="json")

    with pytest.raises(ConfigError) as caught:
        Ringnote(host, data_dir=tmp_path, public_url="nonsense")

    assert len(caught.value.faults) == 2


def test_by_itself_it_stands_at_the_root(runtime):
    assert post_webhook(create_app(runtime=runtime), runtime, "").status_code == 200


def test_the_receiver_takes_webhooks_and_tells_how_it_does_and_nothing_else(runtime):
    app = create_receiver(runtime=runtime)

    rules = {rule.rule for rule in app.url_map.iter_rules()}

    assert rules == {"/webhooks/<token>", "/healthz", "/readyz", "/metrics"}
    assert post_webhook(app, runtime, "").status_code == 200


def test_what_needs_no_web_loads_no_web_framework():
    code = (
        "import sys, ringnote.connectors, ringnote.worker, ringnote.cli;"
        "sys.exit('flask' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wsgi_py_offers_both_applications_out_of_the_environment(tmp_path):
    code = (
        "import wsgi; print(wsgi.app.extensions['ringnote'].settings.public_url,"
        " wsgi.app.extensions['ringnote'] is wsgi.webhooks.extensions['ringnote'],"
        " len(wsgi.app.blueprints) > len(wsgi.webhooks.blueprints))"
    )
    environ = {
        "RINGNOTE_DATA_DIR": str(tmp_path),
        "RINGNOTE_PUBLIC_URL": "https://host.example",
        "RINGNOTE_SECRET_KEY": "",
    }

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True
    )

    assert ran.stdout.split() == ["https://host.example", "True", "True"], ran.stderr

"""Security headers: ours on our pages, the host's on the host's, whoever comes last."""

import flask
import pytest

from ringnote import Ringnote, person

STRICT = "default-src 'none'"


@pytest.fixture(params=["before", "after"])
def host(request, runtime) -> flask.Flask:
    """A host that sets headers on all answers, said before or after Ringnote is mounted."""
    app = flask.Flask("host")
    if request.param == "after":
        Ringnote(app, runtime=runtime, current_user=lambda: person("Kim", "viewer"))

    @app.after_request
    def be_strict(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = STRICT
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["X-Host"] = "here"
        return response

    @app.get("/")
    def home() -> str:
        return "the host's own page"

    if request.param == "before":
        Ringnote(app, runtime=runtime, current_user=lambda: person("Kim", "viewer"))
    return app


@pytest.mark.parametrize(
    "path", ["/ringnote/", "/ringnote/unmatched", "/ringnote/console/static/console.css"]
)
def test_our_pages_keep_what_they_need_and_take_what_else_the_host_adds(host, path):
    with host.test_client().get(path) as answer:
        pass

    assert answer.status_code == 200
    assert "style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers.getlist("X-Frame-Options") == ["DENY"]
    assert answer.headers["X-Host"] == "here"


@pytest.mark.parametrize("path", ["/", "/static/nothing.css", "/ringnote/nothing/here"])
def test_the_hosts_pages_keep_the_hosts(host, path):
    answer = host.test_client().get(path)

    assert answer.headers["Content-Security-Policy"] == STRICT
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Cross-Origin-Opener-Policy" not in answer.headers


def test_the_page_of_a_webhooks_address_keeps_the_hash_of_its_style(host):
    answer = host.test_client().get("/ringnote/webhooks/unknown")

    assert answer.status_code == 404
    assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]


def test_static_files_may_be_kept_by_the_browser(host):
    with host.test_client().get("/ringnote/console/static/console.css") as answer:
        pass

    assert answer.headers["Cache-Control"] == "no-cache"

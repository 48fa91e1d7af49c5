"""The portal with Ringnote and without: what was there before is as it was."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import flask
import pytest

from hosting import EXAMPLES, TOKEN_FIELD, load_example
from ringnote.signals import entry_set_aside, entry_written, number_unmatched


@pytest.fixture(scope="module")
def package():
    return load_example("portal_example", EXAMPLES / "portal" / "app" / "__init__.py")


@pytest.fixture
def both(package, tmp_path, monkeypatch) -> Iterator[tuple[flask.Flask, flask.Flask]]:
    """The portal with Ringnote and without, in this process."""
    monkeypatch.setenv("PORTAL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PORTAL_SECRET_KEY", "the same for both")
    with signals_restored():
        made = package.create_app(), package.create_app(with_phones=False)
        yield made
    made[0].extensions["ringnote"].close()
    for app in made:
        app.extensions["portal"].dispose()


@contextmanager
def signals_restored() -> Iterator[None]:
    """What is connected within hears of no other test."""
    heard = (entry_set_aside, entry_written, number_unmatched)
    before = {signal.name: set(signal.receivers) for signal in heard}
    yield
    for signal in heard:
        for key in signal.receivers.keys() - before[signal.name]:
            signal.disconnect(signal.receivers[key])


def hooks(app: flask.Flask) -> list[object]:
    """All that an application does for every request, and the names its templates know."""
    return [
        *(
            [each.__name__ for each in functions.get(None, [])]
            for functions in (
                app.before_request_funcs,
                app.after_request_funcs,
                app.teardown_request_funcs,
                app.url_value_preprocessors,
                app.url_default_functions,
                app.template_context_processors,
            )
        ),
        {code: list(handlers) for code, handlers in app.error_handler_spec[None].items()},
        set(app.jinja_env.globals),
        {name for name in app.jinja_env.filters if not name.startswith("ringnote_")},
        app.wsgi_app.__qualname__,
        app.session_interface.__class__,
        app.cli.commands,
    ]


def test_mounting_leaves_the_application_as_it_was(both):
    mounted, bare = both

    assert hooks(mounted) == hooks(bare)
    assert mounted.config == bare.config
    rules = [
        {rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/ringnote/")}
        for app in both
    ]
    assert rules[0] == rules[1]


def ask(app: flask.Flask, path: str, method: str = "GET", **fields: str) -> tuple[object, ...]:
    """An answer without what differs from one request to the next."""
    browser = app.test_client()
    told = browser.get("/sign-in").text
    sign_in = {"name": "oak", "password": "oak street", "csrf_token": TOKEN_FIELD.search(told)[1]}
    if fields.pop("signed_in", "yes") == "yes":
        assert browser.post("/sign-in", data=sign_in).status_code == 302
    with browser.open(path, method=method, data=fields) as answer:
        body = TOKEN_FIELD.sub("", answer.text)
    headers = [(name, re.sub(r"=[^;]*", "", value)) for name, value in answer.headers]
    lengthless = sorted(each for each in headers if each[0] not in ("Date", "Content-Length"))
    return answer.status_code, body, lengthless


@pytest.mark.parametrize("path", ["/sign-in", "/nothing", "/notices", "/static/portal.css"])
def test_the_portals_own_pages_are_what_they_were(both, path):
    mounted, bare = both

    assert ask(mounted, path) == ask(bare, path)


def test_so_are_its_refusals_and_its_home_but_for_the_phones(both):
    mounted, bare = both

    assert ask(mounted, "/", signed_in="no") == ask(bare, "/", signed_in="no")
    assert ask(mounted, "/notices", "POST", text="x") == ask(bare, "/notices", "POST", text="x")
    status, body, headers = ask(mounted, "/")
    body_without = re.sub(r"<h2>Phones</h2>.*?</ul>", "", body, flags=re.DOTALL)
    was_status, was_body, was_headers = ask(bare, "/")
    assert (status, headers) == (was_status, was_headers)
    assert body_without.split() == was_body.split()

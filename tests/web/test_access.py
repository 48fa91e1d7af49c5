"""Every route, with every role, and at a clinic that is not theirs."""

import itertools

import flask
import pytest

from factories import make_client, make_clinic
from ringnote import Ringnote, create_app, create_receiver, person
from ringnote.access.identity import Scope
from ringnote.access.sessions import begin_session
from ringnote.access.tokens import add_token
from ringnote.access.users import add_user
from ringnote.clock import utc_now
from ringnote.models import Clinic, Role
from ringnote.web.access import Monitor, Open, declared
from stories import CALLER, Phone, settle

NUMBERS = itertools.count(1)
OPEN = {
    "ringnote.webhooks.receive",
    "ringnote.webhooks.explain",
    "ringnote.health.healthz",
    "ringnote.health.readyz",
    "ringnote.door.sign_in",
    "ringnote.door.check_sign_in",
    "ringnote.door.see_link",
    "ringnote.door.follow",
    "ringnote.console.static",
    "ringnote.console.shared",
}
"""What asks nobody who they are. A route is added here on purpose, or not at all."""


def routes(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("ringnote.")]


def address(app, rule) -> str:
    """An address of the route, with something in place of each part that varies."""
    kinds = {
        name: 1 if "Integer" in type(kind).__name__ else "x"
        for name, kind in rule._converters.items()
    }
    with app.test_request_context():
        return flask.url_for(rule.endpoint, **kinds)


@pytest.fixture
def app(runtime):
    return create_app(runtime=runtime)


@pytest.fixture
def mine(runtime):
    return make_clinic(runtime.db, name="Oak Street Vets")


@pytest.fixture
def foreign(runtime):
    return make_clinic(runtime.db, name="Elm Street Vets")


def signed_in(app, runtime, role, clinics=None):
    """A browser in which somebody of this role is signed in."""
    with runtime.db.transaction() as session:
        found = None if clinics is None else [session.get(Clinic, each.id) for each in clinics]
        user = add_user(session, f"user-{next(NUMBERS)}", role, None, found, utc_now())
        token = begin_session(session, user, utc_now())
    browser = app.test_client()
    browser.set_cookie("ringnote-session", token)
    return browser


def test_every_route_declares_what_it_needs(app):
    found = {rule.endpoint: declared(app.view_functions[rule.endpoint]) for rule in routes(app)}

    assert len(found) > 12
    assert [endpoint for endpoint, need in found.items() if need is None] == []
    api = {endpoint for endpoint in found if endpoint.startswith("ringnote.api.")}
    assert {each for each in found.keys() - api if isinstance(found[each], Open)} == OPEN
    monitored = {endpoint for endpoint, need in found.items() if isinstance(need, Monitor)}
    assert monitored == {"ringnote.metrics.metrics"}


def test_a_route_that_declares_nothing_is_refused_to_all(app, runtime):
    app.view_functions["ringnote.console.home"] = lambda: "what nobody may see"
    browser = signed_in(app, runtime, Role.ADMIN)

    answer = browser.get("/")

    assert answer.status_code == 403
    assert "nobody may see" not in answer.text


@pytest.mark.parametrize("role", [None, *Role])
def test_each_route_opens_to_the_roles_that_it_declares_and_to_no_other(app, runtime, mine, role):
    browser = signed_in(app, runtime, role or Role.ADMIN)
    if role is None:
        browser = app.test_client()

    for rule in routes(app):
        need = declared(app.view_functions[rule.endpoint])
        if not isinstance(need, Role):
            continue
        for method in rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            answer = browser.open(address(app, rule), method=method)
            ranks = list(Role)
            if role is None:
                assert answer.status_code in (302, 401), rule
                assert answer.status_code == 401 or "/sign-in" in answer.headers["Location"]
            elif ranks.index(role) < ranks.index(need):
                assert answer.status_code == 403, rule
            else:
                # Whoever may post is still asked for the form's token.
                assert answer.status_code in (200, 302, 404, 400), rule
                assert method == "GET" or answer.status_code == 400, rule


@pytest.mark.parametrize("role", list(Role))
def test_nobody_sees_a_clinic_that_is_not_theirs(app, runtime, mine, foreign, role):
    for clinic, name in ((mine, "Jane Doe"), (foreign, "Mary Major")):
        make_client(runtime.db, clinic, f"C{clinic.id}", name, numbers=[CALLER])
        phone = Phone(runtime, clinic)
        phone.answered(f"call-of-{clinic.id}")
        phone.missed(f"stranger-of-{clinic.id}", "+12125550177")
        phone.text(f"text of {clinic.name}")
    settle(runtime)
    browser = signed_in(app, runtime, role, clinics=[mine])
    all_clinics = signed_in(app, runtime, role)

    for rule in routes(app):
        need = declared(app.view_functions[rule.endpoint])
        if not isinstance(need, Role) or "GET" not in rule.methods:
            continue
        path = address(app, rule)
        for query in ({}, {"clinic": foreign.id}, {"uuid": f"call-of-{foreign.id}"}, {"id": "c-1"}):
            answer = browser.get(path, query_string=query)
            for secret in ("Elm Street", "Mary Major", f"of-{foreign.id}", "text of Elm"):
                assert secret not in answer.text, (rule, query)
            if "clinic" in query and rule.endpoint.startswith("ringnote.console."):
                is_in_reach = list(Role).index(role) >= list(Role).index(need)
                assert answer.status_code in ((404, 200) if is_in_reach else (403,)), rule

    assert browser.get("/", query_string={"clinic": foreign.id}).status_code == 404
    assert browser.get("/call", query_string={"uuid": f"call-of-{foreign.id}"}).status_code == 404
    assert "Jane Doe" in browser.get("/").text
    assert "Mary Major" in all_clinics.get("/").text


def test_who_has_no_clinic_sees_none(app, runtime, mine):
    Phone(runtime, mine).answered("u-1")
    settle(runtime)

    page = signed_in(app, runtime, Role.ADMIN, clinics=[]).get("/")

    assert page.status_code == 200
    assert "No clinic is yours" in page.text
    assert "clinic add" not in page.text
    assert "answered" not in page.text


def test_the_host_s_word_is_what_counts_where_the_host_is_the_door(runtime, mine, foreign):
    said = {"who": None}
    host = flask.Flask("host")
    Ringnote(host, runtime=runtime, current_user=lambda: said["who"])
    browser = host.test_client()

    stranger = browser.get("/ringnote/")
    assert stranger.status_code == 401
    assert "signed in" in stranger.text
    assert browser.get("/ringnote/sign-in").status_code == 404

    said["who"] = person("kim", "viewer", [mine.id])
    assert browser.get("/ringnote/").status_code == 200
    assert browser.get("/ringnote/", query_string={"clinic": foreign.id}).status_code == 404
    assert "Sign out" not in browser.get("/ringnote/").text


@pytest.mark.parametrize(
    ("sign_in_url", "leads_to"),
    [
        ("/login", "/login?next=%2Fringnote%2Funmatched%3Fclinic%3D3"),
        ("/login?from=phones", "/login?from=phones&next=%2Fringnote%2Funmatched%3Fclinic%3D3"),
    ],
)
def test_a_host_that_says_where_it_signs_people_in_has_strangers_led_there(
    runtime, sign_in_url, leads_to
):
    host = flask.Flask("host")
    Ringnote(host, runtime=runtime, current_user=lambda: None, sign_in_url=sign_in_url)
    browser = host.test_client()

    turned = browser.get("/ringnote/unmatched?clinic=3")
    assert (turned.status_code, turned.headers["Location"]) == (302, leads_to)
    by_script = browser.get("/ringnote/recent", headers={"X-Requested-With": "fetch"})
    assert by_script.status_code == 401


def test_a_host_that_names_its_own_user_object_is_told_what_to_return(runtime):
    host = flask.Flask("host")
    host.testing = True
    Ringnote(host, runtime=runtime, current_user=lambda: object())

    with pytest.raises(TypeError, match=r"ringnote\.person"):
        host.test_client().get("/ringnote/")


def test_a_token_opens_no_page_and_a_session_no_scope(app, runtime):
    with runtime.db.transaction() as session:
        _, secret = add_token(session, "report", list(Scope), None, utc_now(), None, "kim")
    signed_in(app, runtime, Role.ADMIN)

    answer = app.test_client().get("/", headers={"Authorization": f"Bearer {secret}"})

    assert answer.status_code == 302


def test_the_receiver_has_no_pages_at_all(runtime):
    app = create_receiver(runtime=runtime)

    assert {rule.endpoint.split(".")[1] for rule in routes(app)} == {
        "webhooks",
        "health",
        "metrics",
    }

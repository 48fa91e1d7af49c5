"""The sign-in of a Ringnote that stands alone, and who is let in without it."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote import create_app
from ringnote.access.sessions import IDLE
from ringnote.access.tries import FIRST_PAUSE, FREE, LONGEST_PAUSE
from ringnote.access.users import add_user, make_link
from ringnote.clock import utc_now
from ringnote.models import BrowserSession, Role, SignInTries, User

PASSWORD = "paper lantern on a hill"
SESSION = "ringnote-session"


@pytest.fixture
def app(runtime):
    return create_app(runtime=runtime)


@pytest.fixture
def browser(app):
    return app.test_client()


@pytest.fixture
def kim(runtime):
    with runtime.db.transaction() as session:
        return add_user(session, "kim", Role.VIEWER, PASSWORD, None, utc_now())


def token_of(page) -> str:
    [token] = re.findall(r'name="form_token" value="(\w+)"', page.text)
    return token


def sign_in(browser, name="kim", password=PASSWORD, **fields):
    form = browser.get("/sign-in", query_string=fields)
    data = {"name": name, "password": password, "form_token": token_of(form), **fields}
    return browser.post("/sign-in", data=data)


def cookie(browser, name=SESSION) -> str | None:
    found = browser.get_cookie(name)
    return found.value if found else None


def test_a_stranger_is_led_to_the_sign_in_and_back_to_where_they_were_going(browser, kim):
    turned = browser.get("/unmatched?clinic=3")
    assert turned.status_code == 302
    assert turned.headers["Location"] == "/sign-in?next=/unmatched?clinic%3D3"

    form = browser.get(turned.headers["Location"])
    assert 'name="next" value="/unmatched?clinic=3"' in form.text
    answer = sign_in(browser, next="/unmatched")

    assert answer.headers["Location"] == "/unmatched"
    assert browser.get("/unmatched").status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "////elsewhere.example",
        "//[elsewhere.example",
        "/\\elsewhere.example",
        "x",
        "/\n/e.example",
    ],
)
def test_it_leads_to_no_other_host(browser, kim, elsewhere):
    assert sign_in(browser, next=elsewhere).headers["Location"] == "/"


def test_a_wrong_name_and_a_wrong_password_are_answered_alike(browser, kim):
    wrong = [
        sign_in(browser, "sam"),
        sign_in(browser, password="not the password"),
        sign_in(browser, ""),
    ]

    assert [answer.status_code for answer in wrong] == [401] * 3
    said = [re.search(r'role="alert">(.*?)</p>', answer.text, re.DOTALL)[1] for answer in wrong]
    assert set(said) == {"The name or the password is not right."}
    assert cookie(browser) is None


def test_the_cookie_is_for_this_host_and_no_script(browser, kim):
    said = [each for each in sign_in(browser).headers.getlist("Set-Cookie") if SESSION in each]

    assert re.fullmatch(rf"{SESSION}=[\w-]{{43}}; HttpOnly; Path=/; SameSite=Lax", said[0])


def test_over_tls_cookies_are_secure_and_tls_is_insisted_on(app, kim):
    browser = app.test_client()
    over_tls = {"base_url": "https://ringnote.example"}
    form = browser.get("/sign-in", **over_tls)
    data = {"name": "kim", "password": PASSWORD, "form_token": token_of(form)}
    answer = browser.post("/sign-in", data=data, **over_tls)

    cookies = form.headers.getlist("Set-Cookie") + answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all(each.startswith("__Host-ringnote-") and "; Secure;" in each for each in cookies)
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in browser.get("/sign-in").headers


def test_signing_in_again_gives_another_session_and_ends_the_one_before(browser, kim):
    data = {"name": "kim", "password": PASSWORD, "form_token": token_of(browser.get("/sign-in"))}

    browser.post("/sign-in", data=data)
    first = cookie(browser)
    browser.post("/sign-in", data=data)

    assert cookie(browser) not in (None, first)
    assert browser.get("/").status_code == 200
    browser.set_cookie(SESSION, first)
    assert browser.get("/").status_code == 302


def test_signing_out_ends_the_session_here_and_everywhere_ends_all(app, runtime, kim):
    one, two, three = (app.test_client() for _ in range(3))
    for browser in (one, two, three):
        sign_in(browser)
    kept = cookie(one)

    token = token_of(one.get("/"))
    out = one.post("/sign-out", data={"form_token": token})
    assert out.headers["Location"] == "/sign-in"
    assert cookie(one) is None
    one.set_cookie(SESSION, kept)
    assert [browser.get("/").status_code for browser in (one, two, three)] == [302, 200, 200]

    page = two.get("/account")
    assert page.text.count("<li>Since") == 2
    two.post(
        "/sign-out-everywhere", data={"form_token": re.findall(r'value="(\w{64})"', page.text)[0]}
    )
    assert [browser.get("/").status_code for browser in (two, three)] == [302, 302]


def test_a_session_ends_when_it_is_not_used(browser, runtime, kim):
    sign_in(browser)
    with runtime.db.transaction() as session:
        session.execute(sa.update(BrowserSession).values(seen_at=utc_now() - IDLE))

    assert browser.get("/").status_code == 302
    assert browser.get("/recent", headers={"X-Requested-With": "fetch"}).status_code == 401


def test_a_disabled_user_is_out_at_once(browser, runtime, kim):
    sign_in(browser)
    with runtime.db.transaction() as session:
        session.execute(sa.update(User).values(disabled_at=utc_now()))
        add_user(session, "sam", Role.VIEWER, PASSWORD, None, utc_now())

    assert browser.get("/").status_code == 302
    assert sign_in(browser).status_code == 401


def test_guessing_is_slowed_down_even_for_the_right_password(browser, runtime, kim):
    for _ in range(FREE["name"]):
        assert sign_in(browser, password="a guess").status_code == 401

    refused = sign_in(browser)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= FIRST_PAUSE.total_seconds()
    assert "Wait" in refused.text
    assert "seconds, then" in refused.text
    with runtime.db.transaction() as session:
        session.execute(sa.update(SignInTries).values(blocked_until=utc_now() + LONGEST_PAUSE))
    assert "Wait 60 minutes, then" in sign_in(browser).text


def test_a_link_signs_in_once(app, runtime, kim):
    with runtime.db.transaction() as session:
        link = "/sign-in/" + make_link(session, kim.id, utc_now(), timedelta(minutes=5))
    first, second = app.test_client(), app.test_client()

    # A program that looks at links in mails and chats uses none up.
    assert second.head(link).status_code == 200
    page = first.get(link)
    assert "made for <strong>kim" in page.text
    signed_in = first.post(link, data={"form_token": token_of(page)})
    assert signed_in.headers["Location"] == "/"
    assert first.get("/").status_code == 200
    late = second.get(link)
    assert late.status_code == 404
    assert "used or has expired" in late.text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/sign-out-everywhere"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (None, {}),
        ("", {}),
        ("0" * 64, {}),
        ("\ud83d", {}),
        ("right", {"Origin": "https://elsewhere.example"}),
        ("right", {"Origin": "null"}),
        ("right", {"Sec-Fetch-Site": "cross-site"}),
        ("right", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_only_pages_of_ours_can_post(browser, kim, path, token, headers):
    if path != "/sign-in":
        sign_in(browser)
    before = cookie(browser)
    page = browser.get("/sign-in" if path == "/sign-in" else "/")
    data = {"name": "kim", "password": PASSWORD}
    if token is not None:
        data["form_token"] = (
            token_of(page) if token == "right" else token.encode("utf-8", "replace")
        )

    answer = browser.post(path, data=data, headers=headers)

    assert answer.status_code == 400
    assert cookie(browser) == before


def test_what_strangers_send_is_kept_small_and_never_fails(browser, kim):
    assert sign_in(browser, "k\0m").status_code == 400
    assert sign_in(browser, "k" * 70_000).status_code == 413


def test_a_form_of_one_browser_does_not_pass_in_another(app, kim):
    one, two = app.test_client(), app.test_client()
    two.get("/sign-in")
    data = {"name": "kim", "password": PASSWORD, "form_token": token_of(one.get("/sign-in"))}

    assert two.post("/sign-in", data=data).status_code == 400


def test_until_there_is_a_user_this_machine_is_let_in_and_told_how_to_add_one(browser, runtime):
    make_clinic(runtime.db)
    # Left from a Ringnote at another port, or of another folder.
    browser.set_cookie(SESSION, "ended")
    page = browser.get("/")
    assert page.status_code == 200
    assert "ringnote user add" in page.text
    away = browser.get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert away.status_code == 403
    assert "ringnote user add" in away.text

    with runtime.db.transaction() as session:
        add_user(session, "kim", Role.VIEWER, PASSWORD, None, utc_now())
    assert browser.get("/").status_code == 302


def test_no_password_reaches_the_page_or_the_log(browser, kim, caplog):
    answer = sign_in(browser, password="a secret guess that fails")
    sign_in(browser)

    assert "sign_in.refused" in caplog.text
    assert "secret guess" not in answer.text + caplog.text
    assert PASSWORD not in caplog.text
    assert "kim" not in caplog.text

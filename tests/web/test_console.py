"""The first console: what it shows, in which words, and to whom."""

import re
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection, make_settled_call
from ringnote import create_app
from ringnote.clock import utc_now
from ringnote.directory.sync_state import claim, finish, stop_early
from ringnote.models import Entry, EntryState, Event
from ringnote.web.console import pages
from stories import CALLER, Phone, entries, settle

STRANGER = "+12125550177"


@pytest.fixture
def app(runtime):
    return create_app(runtime=runtime)


@pytest.fixture
def browser(app):
    return app.test_client()


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets", timezone="America/New_York")


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def jane(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


def text(browser, path: str = "/") -> str:
    """A page as a person reads it: without tags, in one line."""
    answer = browser.get(path)
    assert answer.status_code == 200, answer.status
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def put(runtime, state: EntryState, reason: str | None = None) -> None:
    with runtime.db.transaction() as session:
        session.execute(sa.update(Entry).values(state=state, reason=reason))


@contextmanager
def counting_queries(runtime):
    found: list[str] = []

    def count(_connection, _cursor, statement, *_):
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append(statement)

    sa.event.listen(runtime.db.engine, "before_cursor_execute", count)
    yield found
    sa.event.remove(runtime.db.engine, "before_cursor_execute", count)


def test_without_a_clinic_it_says_how_to_add_one(browser):
    assert "ringnote clinic add" in text(browser)


def test_before_the_first_webhook_it_says_what_to_do(browser, clinic):
    shown = text(browser)

    assert "Nothing has come yet" in shown
    assert "ringnote simulate" in shown


def test_a_call_under_way_is_shown_before_it_is_settled(browser, runtime, phone):
    phone.rings("u-1")
    settle(runtime)

    assert "Call under way" in text(browser)
    assert "+1 212-555-0142" in text(browser)


def test_a_settled_call_shows_whose_it_is_and_where_its_note_stands(browser, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)

    shown = text(browser)

    assert "Incoming call answered by Amy (101)" in shown
    assert "Jane Doe +1 212-555-0142 · DOE JANE" in shown
    assert "Due" in shown


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (EntryState.SYNCED, None, "Written Note"),
        (EntryState.SYNCED, "it was deleted there", "Written Written, but it was deleted there"),
        (EntryState.SET_ASIDE, "the PMS refused it", "Set aside The PMS refused it"),
        (EntryState.WITHDRAWN, None, "Withdrawn"),
    ],
)
def test_every_state_is_said_in_words(browser, runtime, phone, jane, state, reason, words):
    phone.answered("u-1")
    settle(runtime)
    put(runtime, state, reason)

    assert words in text(browser)


def test_a_number_of_nobody_waits_in_sight(browser, runtime, phone, clinic):
    phone.answered("u-1", STRANGER)
    settle(runtime)

    listed, asked = text(browser, "/?show=waiting"), text(browser, "/unmatched")

    assert "Nobody's yet" in listed
    assert "Waiting 1" in listed
    assert "+1 212-555-0177" in asked
    assert "Ignore this number" in asked


def test_of_many_numbers_that_wait_the_last_are_shown(browser, runtime, clinic, monkeypatch):
    monkeypatch.setattr(pages, "LISTED_NUMBERS", 1)
    make_settled_call(runtime.db, clinic, STRANGER)
    make_settled_call(runtime.db, clinic, "+12125550178")

    shown = text(browser, "/unmatched")

    assert "555-0178" in shown
    assert "555-0177" not in shown
    assert "1 more wait" in shown


def test_a_shared_number_names_the_clients_to_choose_from(browser, runtime, phone, clinic, jane):
    make_client(runtime.db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)

    assert "Shared by 2 clients" in text(browser)
    assert "Jane Doe" in text(browser, "/unmatched")
    assert "John Doe" in text(browser, "/unmatched")


def test_the_tabs_narrow_the_list(browser, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)
    phone.answered("u-2", STRANGER)
    settle(runtime)
    phone.rings("u-3")
    settle(runtime)

    def titles(show):
        return len(re.findall("data-key", browser.get(f"/?show={show}").text))

    assert [titles(show) for show in ("", "open", "waiting", "set_aside")] == [3, 1, 1, 0]


def test_a_call_whose_callback_is_set_aside_is_among_what_is_set_aside(
    browser, runtime, phone, jane
):
    phone.missed("u-1")
    settle(runtime)
    with runtime.db.transaction() as session:
        task = Entry.subject_kind == "callback"
        session.execute(sa.update(Entry).where(task).values(state=EntryState.SET_ASIDE))

    shown = text(browser, "/?show=set_aside")

    assert "Missed call" in shown
    assert "Set aside 1" in shown


def test_clinics_are_told_apart_once_there_are_several(browser, runtime, phone):
    phone.answered("u-1")
    alone = text(browser)
    other = make_clinic(runtime.db, name="Elm Road Vets")
    Phone(runtime, other).answered("u-2")
    settle(runtime)

    both, one = text(browser, "/recent"), text(browser, f"/recent?clinic={other.id}")

    assert "· Oak Street Vets" not in alone
    assert "· Oak Street Vets" in both
    assert "· Oak Street Vets" not in one
    assert "· Elm Road Vets" in one


@pytest.mark.parametrize("query", ["clinic=x", "clinic=-1", "clinic=" + "9" * 30])
def test_a_clinic_that_cannot_be_is_not_found(browser, query):
    assert browser.get(f"/?{query}").status_code == 404


def test_a_call_s_page_tells_its_whole_story(browser, runtime, phone, clinic, jane):
    phone.answered("u-1")
    settle(runtime)

    shown = text(browser, f"/call?clinic={clinic.id}&uuid=u-1")

    for part in ("InboundCall", "ringAttempt", "ExtensionAnswered", "HangupCall", "Jane Doe"):
        assert part in shown
    assert entries(runtime)[0].reference in shown


def test_a_conversation_s_page_shows_its_texts(browser, runtime, phone, clinic, jane):
    phone.text("Is Rex ready?")
    phone.text("Yes, come by.", inbound=False)
    settle(runtime)

    shown = text(browser, f"/conversation?clinic={clinic.id}&id=c-1")

    assert "Client: Is Rex ready?" in shown
    assert "Clinic: Yes, come by." in shown


@pytest.mark.parametrize(
    "path", ["/call?uuid=nobody", "/conversation?id=", "/call", "/?clinic=99", "/call?uuid=%00"]
)
def test_what_is_not_there_is_not_found(browser, path):
    assert browser.get(path).status_code in (400, 404)


def test_what_strangers_send_is_shown_as_text(browser, runtime, phone, clinic):
    bad = "<script>alert(1)</script>"
    phone.text(bad)
    phone.event("InboundCall", "u-1", callerIdName=bad, callerIdNum=STRANGER, didDescription=bad)
    settle(runtime)

    pages = [
        browser.get(path).text
        for path in (
            "/",
            "/unmatched",
            f"/conversation?clinic={clinic.id}&id=c-1",
            f"/call?clinic={clinic.id}&uuid=u-1",
        )
    ]

    assert not any("<script>alert" in page for page in pages)
    assert "&lt;script&gt;alert(1)" in pages[2]


def test_what_could_not_be_used_is_told(browser, runtime, phone, clinic):
    phone.post(b"{not readable")

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(Event)).one() == 1
    assert "1 webhook could not be used as it came and is kept" in text(browser)


def test_a_paused_connection_is_told(browser, runtime, clinic):
    make_connection(runtime.db, clinic, state="paused", paused_reason="credentials refused")

    assert "1 connection is paused." in text(browser)


def test_the_list_is_sent_again_only_if_it_changed(browser, runtime, phone):
    phone.rings("u-1")
    settle(runtime)
    first = browser.get("/recent")

    same = browser.get("/recent", headers={"If-None-Match": first.headers["ETag"]})
    phone.rings("u-2")
    settle(runtime)
    other = browser.get("/recent", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, same.status_code, other.status_code) == (200, 304, 200)
    assert same.data == b""


def test_a_long_list_takes_as_many_queries_as_a_short_one(browser, runtime, phone, jane):
    def ask():
        with counting_queries(runtime) as queries:
            assert browser.get("/").status_code == 200
        return len(queries)

    phone.missed("u-0")
    phone.text("Hello")
    settle(runtime)
    short = ask()
    for each in range(1, 12):
        phone.missed(f"u-{each}", f"+1212555{160 + each:04}")
    settle(runtime)

    assert ask() == short


@pytest.mark.parametrize(
    ("address", "host", "headers", "status"),
    [
        ("127.0.0.1", "localhost:8000", {}, 200),
        ("::1", "[::1]:8000", {}, 200),
        ("192.0.2.7", "localhost:8000", {}, 403),
        ("127.0.0.1", "ringnote.example", {}, 403),
        ("127.0.0.1", "127.0.0.1.example", {}, 403),
        ("127.0.0.1", "localhost:8000", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("127.0.0.1", "localhost:8000", {"Forwarded": "for=192.0.2.7"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/recent", "/call?uuid=u-1", "/unmatched"])
def test_only_this_machine_is_let_in(browser, runtime, phone, path, address, host, headers, status):
    phone.rings("u-1")
    settle(runtime)

    answer = browser.get(
        path,
        headers=headers,
        environ_overrides={"REMOTE_ADDR": address, "HTTP_HOST": host},
    )

    assert answer.status_code == status
    if status == 403:
        assert "ssh -L" in answer.text
        assert "DOE JANE" not in answer.text


def test_its_pages_run_no_inline_code_and_are_framed_by_nobody(browser, phone):
    phone.rings("u-1")
    answer = browser.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", answer.text)
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_file_that_a_page_names_is_there(browser, phone):
    page = browser.get("/").text
    named = re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg))"', page)

    assert len(named) >= 4
    for path in set(named):
        assert urlsplit(path).netloc == ""
        with browser.get(path) as answer:
            assert answer.status_code == 200


def test_home_tells_how_the_clients_are_followed_and_of_several_clinics_where_not(
    browser, runtime, clinic
):
    connection = make_connection(runtime.db, clinic)
    before = text(browser)
    claimed = claim(runtime.db, connection.id)
    with runtime.db.transaction() as session:
        finish(session, runtime.db, claimed, restart=False, now=utc_now())
    followed = text(browser)
    stop_early(runtime.db, claim(runtime.db, connection.id), "the PMS answered with garbage")
    stopped = text(browser)
    other = make_clinic(runtime.db, name="Elm Street Vets")

    assert "Clients as of" not in before
    assert "Clients as of" in followed
    assert "The clients are followed no further : the PMS answered with garbage." in stopped
    assert "the last run to its end was" in stopped
    assert "The clients of Oak Street Vets are followed no further" in text(browser)
    assert "Elm Street Vets are followed" not in text(browser)
    assert "followed no further" in text(browser, "/clients")
    assert "followed no further" in text(browser, f"/?clinic={clinic.id}")
    assert "followed no further" not in text(browser, f"/?clinic={other.id}")

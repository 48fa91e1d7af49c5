"""The console and the sandbox PMS in a real browser: what a person sees, as it happens."""

import threading

import pytest
import requests
import sqlalchemy as sa
from playwright.sync_api import expect

from factories import make_client, make_clinic
from ringnote import create_app
from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.models import NumberRule
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker
from serving import served
from stories import CALLER, LINE, Phone, settle

TOKEN = "a-token-of-the-pretend-pms"


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "pms.sqlite3")
    yield store
    store.close()


@pytest.fixture
def pms(store):
    with Server(create_pms(":memory:", TOKEN, store=store)) as server:
        yield server


@pytest.fixture
def clinic(runtime):
    return make_clinic(runtime.db, name="Oak Street Vets")


@pytest.fixture
def client_id(runtime, clinic, pms, store):
    """Jane Doe, on the PMS and in the directory; the clinic's connection stands."""
    jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
    [known] = store.clients.add([jane])
    make_client(runtime.db, clinic, known, "Jane Doe", numbers=[CALLER])
    with runtime.db.transaction() as session:
        settings, secrets = {"base_url": pms.url}, {"token": TOKEN}
        open_connection(session, runtime, clinic.id, "sandbox", settings, secrets, now=utc_now())
    return known


@pytest.fixture
def console(runtime):
    with served(create_app(runtime=runtime)) as url:
        yield url


@pytest.fixture
def working(runtime):
    stop, worker = threading.Event(), Worker(runtime)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    worker.wake()
    thread.join()


def test_a_note_is_seen_to_appear_without_reloading(
    console, page, browser, runtime, clinic, client_id, pms, working
):
    phone = Phone(runtime, clinic)
    page.goto(console)
    expect(page.get_by_text("Nothing has come yet")).to_be_visible()
    record = browser.new_page()
    record.goto(f"{pms.url}/clients/{client_id}")
    expect(record.get_by_text("No note yet")).to_be_visible()

    answer = requests.post(
        f"{console}/webhooks/{phone.token}",
        data=phone.body("HangupCall", "u-1", extNumber="101", extName="Amy", callerIdNum=CALLER),
        timeout=30,
    )

    assert answer.json() == {"status": "accepted"}
    row = page.locator("[data-key]")
    expect(row).to_contain_text("Incoming call answered by Amy (101)")
    expect(row).to_contain_text("Jane Doe")
    expect(row.locator(".badge")).to_have_text("Written")
    expect(
        record.get_by_role("heading", name="Incoming call answered by Amy (101)")
    ).to_be_visible()
    record.close()


def test_a_row_leads_to_its_whole_story_and_back_by_keyboard(
    console, page, runtime, clinic, client_id
):
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    page.goto(console)

    page.locator("[data-key] a").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Missed call")
    expect(page.get_by_text("Call back: missed call")).to_be_visible()
    page.get_by_role("link", name="← Calls and texts").click()
    expect(page.locator("[data-key]")).to_have_count(1)


def test_a_lost_connection_is_said(console, page):
    page.goto(console)
    expect(page.locator("[data-state]")).to_have_attribute("data-state", "live")

    page.route("**/recent*", lambda route: route.fulfill(status=204))

    expect(page.locator("[data-state]")).to_have_text("Connection lost, trying again")


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("path", ["/", "/unmatched", "/call?uuid=u-1"])
def test_no_page_is_wider_than_its_window(console, page, runtime, clinic, client_id, width, path):
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    phone.answered("u-2", "+12125550177")
    phone.text("A long one: " + "x" * 300)
    settle(runtime)
    make_clinic(runtime.db, name="The Elm Street Animal Hospital and Boarding")
    page.set_viewport_size({"width": width, "height": 800})

    page.goto(console + path)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_text_full_of_markup_stays_text(console, page, runtime, clinic, client_id):
    Phone(runtime, clinic).text(f"<img src=x onerror=\"document.title='owned'\"> to {LINE}")
    settle(runtime)

    page.goto(f"{console}/conversation?clinic={clinic.id}&id=c-1")

    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert page.title() != "owned"


def test_return_in_a_remark_chooses_nobody(console, page, runtime, clinic, client_id):
    make_client(runtime.db, clinic, "C2", "John Doe", numbers=[CALLER])
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    page.goto(f"{console}/unmatched")
    page.get_by_label("Why").fill("said so")

    page.get_by_label("Why").press("Enter")
    page.get_by_role("button", name="Never John Doe").click()

    expect(page.get_by_role("status").first).to_contain_text("Kept")
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(NumberRule.kind)).all() == ["not"]


def test_a_policy_is_checked_rehearsed_and_saved(console, page, runtime, clinic, client_id):
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    page.goto(console)
    page.get_by_role("link", name="Policy").click()
    tried, text = page.locator("#tried"), page.get_by_label("Or pasted here")

    text.fill('[callbacks]\noutcomes = ["voicemail"]')
    page.get_by_role("button", name="Check").click()
    expect(tried.get_by_text("There is no fault in it")).to_be_in_viewport()
    expect(tried.get_by_role("button", name="Save as version 2")).to_be_in_viewport()
    page.get_by_role("button", name="Rehearse on 14 days").click()
    expect(tried).to_contain_text("1 → 0 tasks")
    tried.get_by_role("button", name="Save as version 2").click()

    expect(page.get_by_role("status").first).to_contain_text("Version 2 is in force.")
    expect(page.get_by_label("In words")).to_contain_text("Calls that ask for a callbackVoicemail")

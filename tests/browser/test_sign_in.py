"""Signing in, looking and signing out, in a real browser."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from factories import make_client, make_clinic
from ringnote import create_app
from ringnote.access.users import add_user, sign_out_everywhere
from ringnote.clock import utc_now
from ringnote.models import Clinic, Role
from serving import served
from stories import CALLER, Phone, settle

PASSWORD = "paper lantern on a hill"


@pytest.fixture
def console(runtime):
    clinic = make_clinic(runtime.db, name="Oak Street Vets")
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    Phone(runtime, clinic).answered("u-1")
    settle(runtime)
    with served(create_app(runtime=runtime)) as url:
        yield url


@pytest.fixture
def kim(runtime):
    with runtime.db.transaction() as session:
        return add_user(session, "kim", Role.OPERATOR, PASSWORD, None, utc_now())


def sign_in(page, password=PASSWORD):
    page.get_by_label("Name").fill("kim")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_somebody_signs_in_looks_and_signs_out(console, page, kim):
    page.goto(f"{console}/unmatched")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    sign_in(page)
    expect(page.get_by_role("heading", name="Whose number?")).to_be_visible()
    page.get_by_role("link", name="Calls and texts", exact=True).click()
    expect(page.get_by_text("Jane Doe")).to_be_visible()

    page.get_by_role("link", name="kim").click()
    expect(page.get_by_text("Since")).to_have_count(1)
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_forms_are_taken_without_tls_too_where_a_browser_says_less(browser, console, kim):
    page = browser.new_page()
    page.goto(f"{console.replace('127.0.0.1', 'clinic.test')}/callbacks")

    sign_in(page)

    expect(page.get_by_role("heading", name="To call back")).to_be_visible()
    page.close()


def test_a_session_that_ends_leads_from_the_live_list_to_the_sign_in(
    browser, console, kim, runtime
):
    # A page of its own: the browser's console rightly tells of the request that was refused.
    page = browser.new_page()
    page.goto(console)
    sign_in(page)
    expect(page.get_by_text("Jane Doe")).to_be_visible()

    with runtime.db.transaction() as session:
        sign_out_everywhere(session, kim.id)

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("Jane Doe")).to_have_count(0)
    page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_sign_in_fits_its_window(console, page, kim, width):
    page.set_viewport_size({"width": width, "height": 800})

    page.goto(console)

    expect(page.get_by_label("Name")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 768, 900])
@pytest.mark.parametrize("path", ["/", "/unmatched", "/call?uuid=u-1", "/account"])
def test_no_page_of_somebody_signed_in_is_wider_than_its_window(
    console, page, kim, runtime, width, path
):
    with runtime.db.reading() as session:
        clinic = session.scalars(sa.select(Clinic)).one()
    Phone(runtime, clinic).missed("u-2", "+12125550177")
    settle(runtime)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(console + path)
    sign_in(page)

    # The page of the sign-in has a heading, too.
    expect(page).to_have_url(console + path)
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_operator_says_whose_a_number_is_and_what_a_call_was(console, page, kim, runtime):
    with runtime.db.reading() as session:
        clinic = session.scalars(sa.select(Clinic)).one()
    phone = Phone(runtime, clinic)
    phone.missed("u-2", "+12125550177")
    settle(runtime)
    page.goto(f"{console}/unmatched")
    sign_in(page)

    page.get_by_label("The client: name, or id in the PMS").fill("C1")
    page.get_by_role("button", name="It is this client's").click()
    expect(page.get_by_role("status").first).to_contain_text("Kept.")
    settle(runtime)
    page.goto(f"{console}/call?uuid=u-2")
    expect(page.get_by_text("Jane Doe").first).to_be_visible()

    page.get_by_text("Not what happened?").click()
    page.get_by_label("Why").fill("on the mobile")
    page.get_by_role("button", name="answered").click()
    expect(page.get_by_role("status").first).to_contain_text("Corrected.")
    settle(runtime)
    page.reload()
    expect(page.get_by_text("corrected by kim").first).to_be_visible()


def test_an_operator_with_a_phone_says_that_somebody_was_called_back(console, page, kim, runtime):
    with runtime.db.reading() as session:
        clinic = session.scalars(sa.select(Clinic)).one()
    phone = Phone(runtime, clinic)
    phone.missed("u-2")
    phone.missed("u-3")
    settle(runtime)
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{console}/callbacks")
    sign_in(page)

    card = page.get_by_role("listitem", name="Jane Doe")
    expect(card).to_contain_text("2 missed calls, the last")
    expect(card.get_by_role("link", name="(212) 555-0142")).to_have_attribute(
        "href", f"tel:{CALLER}"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    card.get_by_label("What came of it").fill("Reached them")
    card.get_by_role("button", name="Done").click()

    expect(page.get_by_role("status").first).to_contain_text("Closed.")
    expect(page.get_by_role("heading", name="Nobody waits")).to_be_visible()
    expect(page.get_by_role("region", name="Lately closed")).to_contain_text("kim: Reached them")

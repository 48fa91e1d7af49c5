"""A clinic connected to its PMS in a real browser, on a phone and by keyboard alone."""

import pytest
from playwright.sync_api import expect

from factories import make_clinic
from ringnote import create_app
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from serving import served

TOKEN = "the-token-0142"


def fits(page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= 360"))


@pytest.fixture
def phone(browser):
    """A page without scripts, on which a form that is refused is no fault."""
    context = browser.new_context(viewport={"width": 360, "height": 800}, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_clinic_is_connected_and_tested_by_keyboard_on_a_phone(runtime, phone):
    make_clinic(runtime.db, name="Oak Street Vets")
    store = Store(":memory:")
    with (
        served(create_app(runtime=runtime)) as url,
        Server(create_pms(":memory:", TOKEN, store=store)) as pms,
    ):
        phone.goto(url)
        assert fits(phone)
        phone.get_by_role("link", name="Connect its PMS").press("Enter")
        expect(phone.get_by_text("Cliniko (preview)")).to_be_visible()
        assert fits(phone)
        phone.get_by_role("link", name="Choose Sandbox PMS").press("Enter")
        phone.get_by_label("Base address").fill(pms.url)
        expect(phone.get_by_label("Rate")).to_be_hidden()
        phone.get_by_text("1 setting that seldom needs").press("Enter")
        phone.get_by_label("Rate").fill("often")
        phone.get_by_label("Token").fill(TOKEN)
        phone.get_by_label("Token").press("Enter")
        expect(phone.get_by_label("Rate")).to_have_attribute("aria-invalid", "true")
        expect(phone.get_by_label("Token")).to_have_value("")
        assert fits(phone)
        phone.get_by_label("Rate").fill("")
        phone.get_by_label("Token").fill(TOKEN)
        phone.get_by_label("Token").press("Enter")
        expect(phone.get_by_role("status").first).to_contain_text("Connected")
        phone.get_by_role("button", name="Test the connection").press("Enter")
        expect(phone.get_by_text("It is as it should be")).to_be_visible()
        assert fits(phone)
    store.close()

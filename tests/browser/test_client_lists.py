"""A client list imported in a real browser, from the file to the directory."""

import threading

import pytest
from playwright.sync_api import expect

from factories import make_client, make_clinic
from ringnote import create_app
from ringnote.worker import Worker
from serving import served

ROWS = [f"C{n},Client {n},212-555-01{n:02},a name that is long {'x' * 60}" for n in range(40)]
LIST = "\n".join(["Code,Owner,Ring them,Pets", *ROWS, ",Nobody,212-555-0199,"])


@pytest.fixture
def clinic(runtime):
    clinic = make_clinic(runtime.db, name="Oak Street Vets")
    make_client(runtime.db, clinic, "C1", "Client 1", numbers=["+12125550101"])
    return clinic


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


def fits(page) -> bool:
    page.wait_for_load_state()
    return bool(page.evaluate("document.documentElement.scrollWidth <= 360"))


def test_a_list_is_uploaded_corrected_checked_and_imported_on_a_phone(
    console, page, clinic, working, tmp_path
):
    file = tmp_path / "clients of Oak Street.csv"
    file.write_text(LIST)
    page.set_viewport_size({"width": 360, "height": 800})

    page.goto(f"{console}/clients")
    expect(page.get_by_text("1 client", exact=True)).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="Import a list").click()
    page.get_by_label("File").set_input_files(file)
    assert fits(page)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("cannot tell by itself")).to_be_visible()
    assert fits(page)
    page.get_by_label("Ring them").select_option("Phone number")
    page.get_by_role("button", name="Check the list").click()

    commit = page.get_by_role("button", name="Import 40 clients")
    expect(commit).to_be_visible()
    expect(page.get_by_text("it has no client id")).to_be_visible()
    assert fits(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them").click()
    assert "it has no client id" in download.value.path().read_text(encoding="utf-8-sig")
    commit.click()

    expect(page.get_by_role("heading", name="Imported")).to_be_visible()
    assert fits(page)
    page.goto(f"{console}/clients")
    expect(page.get_by_text("40 clients", exact=True)).to_be_visible()

"""The portal: an application that was there before, with Ringnote mounted into it."""

import json
import re
from collections.abc import Iterator

import flask
import pytest
import requests
from cryptography.fernet import Fernet
from flask_wtf import CSRFProtect

from factories import make_clinic
from hosting import EXAMPLES, TOKEN_FIELD, Host, environ
from ringnote import Ringnote, person
from ringnote.clock import utc_now
from ringnote.sandbox.pms import create_pms
from ringnote.telephony.tokens import issue_webhook_token
from serving import served
from stories import CALLER

PMS_TOKEN = "of-the-pretend-pms"
STRANGER = "+12125550177"


class Browser(requests.Session):
    """A person's browser at the portal."""

    def __init__(self, url: str, name: str = "") -> None:
        super().__init__()
        self.trust_env = False
        self.url = url
        if name:
            assert self.submit("/sign-in", name=name, password=f"{name} street").url == f"{url}/"

    def page(self, path: str, **options: object) -> requests.Response:
        return self.get(self.url + path, timeout=10, **options)

    def submit(self, path: str, page: str = "", **fields: str) -> requests.Response:
        """Post a form of the page that it stands on (its own address unless said)."""
        token = TOKEN_FIELD.search(self.page(page or path).text)
        fields["csrf_token"] = token[1] if token else ""
        return self.post(self.url + path, data=fields, timeout=10)


@pytest.fixture
def pms() -> Iterator[str]:
    with served(create_pms(":memory:", PMS_TOKEN)) as url:
        client = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": "mobile"}]}
        answer = requests.post(
            f"{url}/api/v1/clients",
            json=client,
            headers={"Authorization": f"Bearer {PMS_TOKEN}"},
            timeout=10,
        )
        assert answer.status_code == 201
        yield url


@pytest.fixture
def portal(empty_database_url, tmp_path) -> Host:
    """The portal on an empty database of its own."""
    return Host(
        EXAMPLES / "portal",
        "app",
        environ(
            PORTAL_DATABASE_URL=empty_database_url,
            PORTAL_DATA_DIR=str(tmp_path / "portal"),
            RINGNOTE_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
            RINGNOTE_ALLOW_PRIVATE_PMS="1",
        ),
    )


def add_clinic(portal: Host, name: str, container: str) -> str:
    """The path of the new clinic's webhooks."""
    told = portal.flask(
        "ringnote", "clinic", "add", name,
        "--container", container, "--timezone", "America/New_York", "--json",
    )  # fmt: skip
    return json.loads(told)["webhook_url"].removeprefix("http://127.0.0.1:5000")


def ring(url: str, container: str, call: str, number: str) -> None:
    """A call that Amy took, told as the phone system tells it."""
    fields = {"containerId": container, "callUuid": call, "callerIdNum": number}
    for more in (
        {"eventType": "ExtensionAnswered", "extensionNumber": "101", "extensionName": "Amy"},
        {"eventType": "HangupCall", "extNumber": "101", "extName": "Amy"},
    ):
        answer = requests.post(url, data=fields | more, timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})


def read_notes(pms: str) -> list[dict]:
    headers = {"Authorization": f"Bearer {PMS_TOKEN}"}
    (client,) = requests.get(f"{pms}/api/v1/clients", headers=headers, timeout=10).json()["items"]
    query = {"client_id": client["id"]}
    return requests.get(f"{pms}/api/v1/notes", query, headers=headers, timeout=10).json()["items"]


def test_from_nothing_to_a_note_that_the_portal_tells_of(portal, pms, tmp_path):
    portal.flask("ringnote", "migrate")
    oak = add_clinic(portal, "Oak Street Vets", "123456")
    elm = add_clinic(portal, "Elm Street Vets", "654321")
    portal.flask(
        "ringnote", "connect", "Oak Street Vets", "sandbox",
        "--set", f"base_url={pms}", "--secret", f"token={PMS_TOKEN}",
    )  # fmt: skip
    portal.flask("ringnote", "clients", "sync", "Oak Street Vets")
    log = tmp_path / "portal.log"
    with portal.running(log) as url:
        ring(url + oak, "123456", "u-oak", CALLER)
        ring(url + elm, "654321", "u-elm", STRANGER)
        portal.flask("ringnote", "worker", "--until-idle")

        assert len(read_notes(pms)) == 1
        the_right_people_see_it(url)
        a_stranger_is_turned_away(url)
        the_portal_guards_its_own_form(url)
    assert not re.search(rf"Jane|{CALLER[2:]}|{STRANGER[2:]}", log.read_text())


def the_right_people_see_it(url: str) -> None:
    oak, elm, boss = (Browser(url, name) for name in ("oak", "elm", "boss"))

    assert "A note stands on a client&#39;s record" in oak.page("/").text
    assert "whose number no one client has" not in oak.page("/").text
    assert "whose number no one client has" in elm.page("/").text
    shown = {each: each.page("/ringnote/") for each in (oak, elm, boss)}
    assert {each.status_code for each in shown.values()} == {200}
    assert "Jane Doe" in shown[oak].text
    assert "Jane Doe" in shown[boss].text
    assert "Jane Doe" not in shown[elm].text
    assert "Oak Street Vets" not in shown[elm].text
    assert elm.page("/ringnote/?clinic=1").status_code == 404
    assert elm.page("/ringnote/call?uuid=u-oak").status_code == 404
    assert "Jane Doe" in oak.page("/ringnote/call?uuid=u-oak").text
    the_console_is_dressed(oak, shown[oak])


def the_console_is_dressed(browser: Browser, page: requests.Response) -> None:
    """Its style and script are where it says, and no policy of the portal's forbids them."""
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    named = re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="([^"]+)"', page.text)
    assert len(named) >= 4
    assert all(path.startswith("/ringnote/") for path in named)
    assert {browser.page(path).status_code for path in named} == {200}


def a_stranger_is_turned_away(url: str) -> None:
    stranger = Browser(url)

    for path in ("/ringnote/", "/ringnote/call?uuid=u-oak", "/ringnote/unmatched"):
        answer = stranger.page(path, allow_redirects=False)
        assert answer.status_code == 401
        assert not re.search("Jane|Doe|Street|0142", answer.text)
    assert stranger.page("/", allow_redirects=False).headers["Location"].startswith("/sign-in")
    assert Browser(url, "boss").page("/ringnote/sign-in").status_code == 404
    assert stranger.page("/ringnote/healthz").json() == {"status": "ok"}


def the_portal_guards_its_own_form(url: str) -> None:
    boss = Browser(url, "boss")

    bare = boss.post(f"{url}/notices", data={"text": "Staff meeting"}, timeout=10)
    assert bare.status_code == 400
    assert "Staff meeting" not in boss.page("/").text
    boss.submit("/notices", page="/", text="Staff meeting")
    assert "boss: Staff meeting" in boss.page("/").text


def make_guarded(runtime, order: str) -> flask.Flask:
    """A host with CSRFProtect and a sign-in for all but webhooks, set up before or after us."""
    host = flask.Flask("host", static_folder=None)
    host.secret_key = "of the host"

    def demand_sign_in():
        return None if flask.request.endpoint == "ringnote.webhooks.receive" else ("Who?", 401)

    if order == "after":
        Ringnote(host, runtime=runtime, current_user=lambda: person("Kim", "admin"))
    CSRFProtect(host)
    host.before_request(demand_sign_in)
    if order == "before":
        Ringnote(host, runtime=runtime, current_user=lambda: person("Kim", "admin"))

    @host.post("/own")
    def own() -> str:
        return "taken"

    return host


@pytest.mark.parametrize("order", ["before", "after"])
def test_webhooks_are_taken_wherever_the_host_protects_itself(runtime, order):
    host = make_guarded(runtime, order)
    clinic = make_clinic(runtime.db)
    with runtime.db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, utc_now())
    fields = {"eventType": "HangupCall", "containerId": clinic.container_id, "callUuid": "u-1"}
    browser = host.test_client()

    taken = [browser.post(f"/ringnote/webhooks/{token}", data=fields) for _ in range(2)]

    assert [each.json for each in taken] == [{"status": "accepted"}] * 2
    assert browser.post("/own").status_code == 400
    assert browser.get("/ringnote/").text == "Who?"

"""`ringnote user`, as a person or a script runs it."""

import json
import re

import pytest
from click.testing import CliRunner

from factories import make_clinic
from ringnote import create_app
from ringnote.access.passwords import is_password
from ringnote.access.users import find_user
from ringnote.cli import main

PASSWORD = "paper lantern on a hill"


@pytest.fixture
def ringnote(runtime):
    def run(*words, typed=None):
        return CliRunner().invoke(main, words, obj=runtime, input=typed, catch_exceptions=False)

    return run


@pytest.fixture
def add(ringnote):
    def run(*words, typed=f"{PASSWORD}\n"):
        return ringnote("user", "add", *words, "--password-file", "-", typed=typed)

    return run


def find(runtime, name):
    with runtime.db.reading() as session:
        return find_user(session, name)


def test_a_user_is_added_with_a_piped_password_that_is_not_shown(runtime, add):
    make_clinic(runtime.db, name="Oak Street Vets")

    result = add("Kim", "--role", "operator", "--clinic", "oak street vets", "--json")

    told = json.loads(result.stdout)
    assert (told["name"], told["role"], told["clinics"]) == ("kim", "operator", ["Oak Street Vets"])
    assert is_password(PASSWORD, find(runtime, "kim").password_hash)
    assert PASSWORD not in result.output
    assert find(runtime, "kim").password_hash not in result.output


def test_without_more_they_look_at_all_clinics(add):
    said = add("kim").stdout

    assert re.search(r"role +viewer\nclinics +all\n", said)


def test_the_password_may_lie_in_a_file(runtime, ringnote, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    ringnote("user", "add", "kim", "--password-file", str(tmp_path / "password"))
    missing = ringnote("user", "add", "sam", "--password-file", str(tmp_path / "nothing"))

    assert is_password(PASSWORD, find(runtime, "kim").password_hash)
    assert missing.exit_code == 1
    assert "cannot be read: No such file" in missing.stderr


def test_with_nobody_to_ask_it_says_how_to_give_a_password(ringnote):
    result = ringnote("user", "add", "kim", typed="")

    assert result.exit_code == 1
    assert "--password-file -" in result.stderr


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["kim"], "short\n", "12 to 1000 characters"),
        (["two words"], PASSWORD, "no blanks"),
        (["kim", "--clinic", "Elm"], PASSWORD, "No clinic is called 'Elm'"),
        (["kim", "--role", "root"], PASSWORD, "'viewer', 'operator', 'admin'"),
        (["kim", "--link"], PASSWORD, "not both"),
    ],
)
def test_what_cannot_be_is_told_and_adds_nobody(runtime, add, words, typed, said):
    result = add(*words, typed=typed)

    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert find(runtime, "kim") is None


def follow(browser, link):
    """Open a link and press its button."""
    path = link.partition("8000")[2]
    [token] = re.findall(r'name="form_token" value="(\w+)"', browser.get(path).text)
    return browser.post(path, data={"form_token": token})


def test_a_link_signs_in_where_the_pages_are(runtime, ringnote):
    told = json.loads(ringnote("user", "add", "kim", "--link", "--json").stdout)
    browser = create_app(runtime=runtime).test_client()

    assert follow(browser, told["link"]).headers["Location"] == "/"
    assert browser.get("/").status_code == 200

    another = ringnote("user", "link", "kim")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/sign-in/[\w-]{43}\n", another.stdout)
    assert "RINGNOTE_PUBLIC_URL is not set" in another.stderr


def test_the_list_tells_what_each_may_and_when_they_were_here(runtime, ringnote, add):
    assert "user add" in ringnote("user", "list").stdout
    link = json.loads(ringnote("user", "add", "kim", "--link", "--json").stdout)["link"]
    add("sam", "--role", "admin")
    follow(create_app(runtime=runtime).test_client(), link)

    kim, sam = json.loads(ringnote("user", "list", "--json").stdout)

    assert (kim["name"], kim["has_password"], bool(kim["seen_at"])) == ("kim", False, True)
    assert (sam["name"], sam["has_password"], sam["seen_at"]) == ("sam", True, None)
    assert re.search(r"sam +admin +all +active", ringnote("user", "list").stdout)


def test_what_a_user_may_is_changed(runtime, ringnote, add):
    make_clinic(runtime.db, name="Oak Street Vets")
    add("kim")

    ringnote("user", "set", "kim", "--role", "admin", "--clinic", "Oak Street Vets")
    assert find(runtime, "kim").is_limited
    ringnote("user", "set", "KIM", "--all-clinics", "--disable")

    changed = find(runtime, "kim")
    assert (changed.role.value, changed.is_limited) == ("admin", False)
    assert changed.disabled_at
    assert "disabled" in ringnote("user", "link", "kim").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "kim"], "Say what to change"),
        (["set", "kim", "--clinic", "1", "--all-clinics"], "not both"),
        (["set", "sam", "--disable"], "There is no user called 'sam'; there are: kim."),
        (["password", "sam"], "there are: kim"),
        (["link", "sam"], "there are: kim"),
        (["sign-out", "sam"], "there are: kim"),
        (["remove", "sam"], "there are: kim"),
    ],
)
def test_a_wrong_argument_is_answered_with_the_right_one(ringnote, add, words, said):
    add("kim")

    result = ringnote("user", *words)

    assert result.exit_code in (1, 2)
    assert said in result.stderr


def test_another_password_and_signing_out_end_every_session(runtime, ringnote, add):
    add("kim")
    app = create_app(runtime=runtime)

    def sign_in():
        browser = app.test_client()
        link = json.loads(ringnote("user", "link", "kim", "--json").stdout)["link"]
        follow(browser, link)
        assert browser.get("/").status_code == 200
        return browser

    browser = sign_in()
    ringnote("user", "password", "kim", "--password-file", "-", typed="a river of old letters\n")
    assert browser.get("/").status_code == 302
    assert is_password("a river of old letters", find(runtime, "kim").password_hash)

    browser = sign_in()
    assert "out of 1 browsers" in ringnote("user", "sign-out", "kim").stdout
    assert browser.get("/").status_code == 302

    browser = sign_in()
    ringnote("user", "remove", "kim")
    assert browser.get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).status_code == 403
    assert find(runtime, "kim") is None

"""What is kept of what was said to a PMS: no secret, and enough to say it again."""

import subprocess

import pytest
from pytest_httpserver import HTTPServer

from ringnote.curl import as_curl, secret_names
from ringnote.errors import ConnectorError
from ringnote.exchanges import KEPT_CHARACTERS, Mask, is_secret_name, recording
from ringnote.http import Http

SECRET = "s3cret of/the+clinic"
BODY = {"title": 'It\'s "$HOME" `ls`', "body": "猫\nline two", "api_key": "k-4711", "n": 1}


@pytest.fixture
def http():
    made = Http(allow_private=True)
    yield made
    made.close()


def test_no_secret_is_kept_of_an_exchange(http, httpserver: HTTPServer):
    httpserver.expect_request("/notes").respond_with_json(
        {"access_token": "t-99887766", "echo": SECRET}, headers={"Set-Cookie": "c-4711=x"}
    )

    with recording() as kept:
        http.knowing({"token": SECRET}).request(
            "POST",
            httpserver.url_for("/notes"),
            params={"q": SECRET, "apiKey": "k-0815"},
            headers={"Authorization": f"Bearer {SECRET}", "X-Auth": "a-0815"},
            json={**BODY, "nested": [{"password": "p-0815"}, f"it is {SECRET}."]},
        )

    [one] = kept
    for secret in (
        SECRET,
        "s3cret",
        "k-4711",
        "k-0815",
        "a-0815",
        "p-0815",
        "t-99887766",
        "c-4711",
    ):
        assert secret not in str(one)
    assert one["headers"]["Authorization"] == "Bearer ⟪token⟫"
    assert (one["method"], one["status"]) == ("POST", 200)


def test_the_command_sends_the_same_again_once_the_secrets_are_set(http, httpserver: HTTPServer):
    httpserver.expect_request("/notes").respond_with_json({"id": 1})
    with recording() as kept:
        http.knowing({"token": SECRET}).request(
            "POST",
            httpserver.url_for("/notes"),
            params={"q": "a b&c"},
            headers={"Authorization": f"Bearer {SECRET}"},
            json=BODY,
        )

    variables = {"TOKEN": SECRET, "API_KEY": "k-4711", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        ["/bin/sh", "-c", as_curl(kept[0])], env=variables, check=True, capture_output=True
    )

    (first, _), (again, _) = httpserver.log
    assert secret_names(kept[0]) == ["API_KEY", "TOKEN"]
    assert again.json == first.json == BODY
    assert again.full_path == first.full_path
    assert again.headers["Authorization"] == first.headers["Authorization"]


def test_what_goes_wrong_before_an_answer_is_kept_too(http):
    with recording() as kept, pytest.raises(ConnectorError):
        http.request("GET", "http://127.0.0.1:9/notes")

    assert {(each["status"], each["error"]) for each in kept} == {(None, "no connection")}


def test_a_long_body_is_cut_and_says_so(http, httpserver: HTTPServer):
    httpserver.expect_request("/notes").respond_with_json({"id": 1})

    with recording() as kept:
        http.request("POST", httpserver.url_for("/notes"), json={"body": "猫" * 9000})

    assert len(kept[0]["body"]) < KEPT_CHARACTERS + 50
    assert kept[0]["body"].endswith(" more characters)")


def test_nothing_is_noted_where_nobody_records(http, httpserver: HTTPServer):
    httpserver.expect_request("/notes").respond_with_json({"id": 1})
    with recording() as kept:
        pass

    http.request("GET", httpserver.url_for("/notes"))

    assert kept == []


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *((name, True) for name in ("X-Api-Key", "accessToken", "Set-Cookie", "client_secret")),
        *((name, True) for name in ("accesstoken", "sessionId", "jwt", "pwd", "client_assertion")),
        *((name, False) for name in ("Idempotency-Key", "author", "title")),
    ],
)
def test_a_field_is_known_for_a_secret_by_its_name(name, is_secret):
    assert is_secret_name(name) is is_secret


@pytest.mark.parametrize(
    "said",
    [
        "<p>You sent s3c&quot;r&amp;t/of the+clinic.</p>",
        "/login?next=%2Fnotes%3Fkey%3Ds3c%22r%26t%2Fof%20the%2Bclinic",
        "key=s3c%22r%26t%2Fof+the%2Bclinic was refused",
        'a log: "s3c\\"r&t/of the+clinic"',
        '{"echo": {"s3c\\"r&t/of the+clinic": 1}}',
    ],
)
def test_a_secret_is_known_again_however_it_is_written(said):
    mask = Mask({"token": 's3c"r&t/of the+clinic', "pin": "47114711"})

    assert "clinic" not in mask.body(said)
    assert "⟪token⟫" in mask.body(said)
    assert "clinic" not in mask.headers({"Location": said})["Location"]
    assert mask.body('{"it": 47114711, "other": 4711}') == '{"it": "⟪pin⟫", "other": 4711}'

"""Signing in by OAuth 2: one token for many threads, whatever becomes of its renewal."""

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from ringnote.connectors.oauth import ClientCredentials
from ringnote.errors import CredentialsRejected, Temporary
from ringnote.http import Answer

THREADS = 24
LIVES = 1000


class TokenUrl:
    """Gives tokens, once it may go on, or fails as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.shelf = None
        self.error: Exception | None = None
        self.told: object = None
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def request(self, method: str, url: str, **body: object) -> Answer:
        self.asked += 1
        nth = self.asked
        self.is_asked.set()
        assert self.may_answer.wait(10)
        if self.error:
            raise self.error
        token = {"access_token": f"token-{nth}", "expires_in": LIVES}
        return Answer(200, {}, token if self.told is None else self.told)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url():
    return TokenUrl()


@pytest.fixture
def sign_in(url):
    return ClientCredentials(url, "https://pms.example/token", "client", "secret")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("ringnote.connectors.oauth.time.monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"error": "invalid_client"}, CredentialsRejected),
        ({"error": "temporarily_unavailable"}, Temporary),
        ({"access_token": ""}, Temporary),
        ({"access_token": 17}, Temporary),
        ([], Temporary),
    ],
)
def test_an_error_under_200_is_no_token(url, sign_in, told, error):
    url.told = told

    with pytest.raises(error):
        sign_in.token()


def ask_at_once(sign_in, url, pool):
    """Have many threads ask while the first one's answer is held back; what comes of each."""
    url.is_asked.clear()
    url.may_answer.clear()
    asked = [pool.submit(sign_in.token) for _ in range(THREADS)]
    assert url.is_asked.wait(10)
    return asked


@pytest.fixture
def pool():
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def test_many_threads_that_have_none_share_one(sign_in, url, pool):
    asked = ask_at_once(sign_in, url, pool)
    url.may_answer.set()

    assert {each.result(10) for each in asked} == {"token-1"}
    assert url.asked == 1


def test_many_threads_whose_token_is_refused_renew_it_once(sign_in, url, pool):
    old = sign_in.token()

    def be_refused() -> str:
        sign_in.refused(old)
        return sign_in.token()

    asked = [pool.submit(be_refused) for _ in range(THREADS)]

    assert {each.result(10) for each in asked} == {"token-2"}
    assert url.asked == 2


def test_nobody_waits_for_a_renewal_while_the_former_token_is_in_force(sign_in, url, pool, clock):
    sign_in.token()
    clock.now = LIVES * 0.95
    url.is_asked.clear()
    url.may_answer.clear()
    renewing = pool.submit(sign_in.token)
    assert url.is_asked.wait(10)

    meanwhile = sign_in.token()

    url.may_answer.set()
    assert (meanwhile, renewing.result(10), sign_in.token()) == ("token-1", "token-2", "token-2")


def test_those_who_wait_for_a_fetch_share_its_failure(sign_in, url, pool):
    url.error = CredentialsRejected("no token for this client", status=401)
    asked = ask_at_once(sign_in, url, pool)
    all_but_one_wait(sign_in)
    url.may_answer.set()

    errors = [each.exception(10) for each in asked]

    assert url.asked == 1
    assert {(type(each), str(each), each.status) for each in errors} == {
        (CredentialsRejected, "no token for this client", 401)
    }
    assert len({id(each) for each in errors}) == THREADS


def all_but_one_wait(sign_in) -> None:
    until = time.monotonic() + 10
    while len(sign_in._changed._waiters) < THREADS - 1 and time.monotonic() < until:
        time.sleep(0.005)


def test_who_asks_after_a_failure_tries_anew(sign_in, url):
    url.error = Temporary("the PMS cannot be reached")
    with pytest.raises(Temporary):
        sign_in.token()
    url.error = None

    assert sign_in.token() == "token-2"


def test_a_token_in_force_outlasts_a_renewal_that_fails(sign_in, url, clock):
    sign_in.token()
    url.error = Temporary("the PMS cannot be reached")
    clock.now = LIVES * 0.92

    assert [sign_in.token() for _ in range(3)] == ["token-1"] * 3
    assert url.asked == 2
    clock.now = LIVES
    with pytest.raises(Temporary):
        sign_in.token()


def test_a_client_that_is_refused_is_told_of_though_its_token_is_in_force(sign_in, url, clock):
    sign_in.token()
    url.error = CredentialsRejected("no token for this client", status=401)
    clock.now = LIVES * 0.92

    with pytest.raises(CredentialsRejected) as raised:
        sign_in.token()

    assert "secret" not in "".join(traceback.format_exception(raised.value))

"""The server: how it binds, and how it ends."""

import socket
import threading

import pytest
import requests

from ringnote.errors import InputError
from ringnote.sandbox.server import Server as PretendServer
from ringnote.web.server import Server
from serving import served


def answer_ok(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("HTTP_X_FORWARDED_FOR", "direct").encode()]


def test_it_answers_at_the_port_that_it_tells():
    with served(answer_ok) as url:
        assert requests.get(url, timeout=10).text == "direct"


def test_a_proxy_s_headers_reach_the_application():
    with served(answer_ok) as url:
        headers = {"X-Forwarded-For": "192.0.2.1"}

        assert requests.get(url, headers=headers, timeout=10).text == "192.0.2.1"


@pytest.mark.parametrize(
    ("path", "megabytes", "status"),
    [("/call/correct", 2, 413), ("/clients/import/upload", 2, 200)],
)
def test_only_client_lists_may_be_large(path, megabytes, status):
    with served(answer_ok) as url:
        answer = requests.post(url + path, data=b"x" * megabytes * 1024**2, timeout=10)

        assert answer.status_code == status


def test_client_lists_may_be_large_in_the_demo_too():
    with PretendServer(answer_ok) as server:
        url = f"{server.url}/clients/import/upload?clinic=1"

        assert requests.post(url, data=b"x" * 2 * 1024**2, timeout=10).status_code == 200


def test_a_taken_port_is_told_in_words():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(InputError, match=rf"Port {port} on 127\.0\.0\.1 is taken.*--port"):
            Server(answer_ok, "127.0.0.1", port)


def test_an_address_that_is_not_this_machine_s_is_told_in_words():
    with pytest.raises(InputError, match=r"Cannot listen on 192\.0\.2\.1"):
        Server(answer_ok, "192.0.2.1", 0)


def test_what_was_begun_is_answered_before_it_ends():
    begun, go_on = threading.Event(), threading.Event()

    def answer_late(environ, start_response):
        begun.set()
        go_on.wait(10)
        return answer_ok(environ, start_response)

    answers: list[str] = []
    server = Server(answer_late, "127.0.0.1", 0)
    running = threading.Thread(target=server.run)
    asking = threading.Thread(
        target=lambda: answers.append(requests.get(server.url, timeout=10).text)
    )
    running.start()
    asking.start()
    begun.wait(10)

    server.stop()
    go_on.set()
    running.join()
    asking.join()

    assert answers == ["direct"]
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=10)

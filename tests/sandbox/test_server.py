import pytest
import requests
from flask import Flask, request

from ringnote.errors import InputError
from ringnote.sandbox.server import DROP_KEY, Server
from ringnote.web.server import UPLOADS


def make_app() -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def home() -> str:
        return "here"

    @app.get("/drop")
    def drop() -> str:
        request.environ[DROP_KEY]()
        return "never seen"

    @app.post(UPLOADS)
    def upload() -> str:
        return str(len(request.get_data()))

    return app


def test_it_serves_until_it_is_stopped() -> None:
    with Server(make_app()) as server:
        assert requests.get(server.url, timeout=30).text == "here"

    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=30)


def test_its_port_is_free_again_at_once() -> None:
    with Server(make_app()) as first:
        requests.get(first.url, timeout=30)

    with Server(make_app(), port=first.port) as second:
        assert requests.get(second.url, timeout=30).text == "here"


def test_a_taken_port_is_named_with_its_option() -> None:
    with (
        Server(make_app()) as first,
        pytest.raises(InputError, match=rf"Port {first.port} .* --pms-port"),
    ):
        Server(make_app(), port=first.port, option="--pms-port")


def test_a_dropped_connection_gets_no_answer_and_others_go_on() -> None:
    with Server(make_app()) as server:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/drop", timeout=30)

        assert requests.get(server.url, timeout=30).text == "here"


def test_it_takes_client_lists_as_large_as_any_server_of_ringnote_s() -> None:
    with Server(make_app()) as server:
        answer = requests.post(f"{server.url}{UPLOADS}", data=b"x" * 2_000_000, timeout=5)

    assert answer.text == "2000000"


def test_one_that_never_started_lets_its_port_go() -> None:
    server = Server(make_app())

    server.stop()

    Server(make_app(), port=server.port).stop()


def test_stopping_it_again_changes_nothing() -> None:
    server = Server(make_app()).start()

    server.stop()
    server.stop()

    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=30)

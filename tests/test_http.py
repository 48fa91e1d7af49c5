import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import ringnote.http
from ringnote.errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ringnote.http import Http
from ringnote.waits import RETRY_AFTER_CAP_SECONDS, retry_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "s3cret-of-the-clinic"
JSON = "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}"


def answer(status: int, body: str = "{}", headers: str = "") -> bytes:
    return JSON.format(status, len(body.encode()), headers, body).encode()


class Listener:
    """A server on a real socket that plays `script` on each connection and counts requests."""

    def __init__(self, script: Callable[["Listener", socket.socket], None]) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._accept, daemon=True)
        self._main.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._play, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.script(self, connection)
            except OSError:
                return

    def read(self, connection: socket.socket) -> bytes:
        connection.settimeout(5)
        got = b""
        while b"\r\n\r\n" not in got:
            part = connection.recv(65536)
            if not part:
                raise OSError("gone")
            got += part
        self.requests.append(got)
        return got

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._main.join(5)


@contextmanager
def listening(script: Callable[[Listener, socket.socket], None]) -> Iterator[Listener]:
    listener = Listener(script)
    try:
        yield listener
    finally:
        listener.close()


def saying(*answers: bytes) -> Callable[[Listener, socket.socket], None]:
    def script(listener: Listener, connection: socket.socket) -> None:
        for each in answers:
            listener.read(connection)
            connection.sendall(each)

    return script


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http(allow_private=True)
    yield http
    http.close()


def test_an_answer_carries_status_headers_and_json(http: Http) -> None:
    with listening(saying(answer(201, '{"id": "ü"}', "X-One: 1\r\n"))) as pms:
        got = http.request("POST", pms.url, json={"a": 1})

    assert (got.status, got.json, got.headers["x-one"]) == (201, {"id": "ü"}, "1")


def test_an_empty_answer_has_no_json(http: Http) -> None:
    with listening(saying(b"HTTP/1.1 204 X\r\n\r\n")) as pms:
        assert http.request("DELETE", pms.url).json is None


def test_a_connection_is_used_again(http: Http) -> None:
    with listening(saying(answer(200), answer(200), answer(200))) as pms:
        for _ in range(3):
            http.request("GET", pms.url)

        assert (pms.connections, len(pms.requests)) == (1, 3)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Temporary),
        (400, RecordRejected),
        (401, CredentialsRejected),
        (403, CredentialsRejected),
        (404, RecordGone),
        (408, Temporary),
        (409, RecordRejected),
        (410, RecordGone),
        (422, RecordRejected),
        (425, Temporary),
        (429, RateLimited),
        (500, Temporary),
        (503, Temporary),
    ],
)
def test_a_status_becomes_its_error(http: Http, status: int, error: type[ConnectorError]) -> None:
    with listening(saying(answer(status))) as pms, pytest.raises(ConnectorError) as raised:
        http.request("POST", pms.url, json={})

    assert type(raised.value) is error
    assert raised.value.status == status


def test_a_redirect_is_not_followed(http: Http) -> None:
    elsewhere = answer(302, headers="Location: http://127.0.0.1:9/\r\n")
    with listening(saying(elsewhere)) as pms, pytest.raises(Temporary, match="302"):
        http.request("GET", pms.url)


def test_a_rate_limit_tells_how_long(http: Http) -> None:
    limited = answer(429, headers="Retry-After: 7\r\n")
    with listening(saying(limited)) as pms, pytest.raises(RateLimited) as raised:
        http.request("GET", pms.url)

    assert raised.value.retry_after == 7.0


def test_an_error_names_the_code_but_never_the_prose(http: Http) -> None:
    body = '{"error": {"code": "unknown_client", "message": "Ada Park has no record"}}'
    with listening(saying(answer(422, body))) as pms, pytest.raises(RecordRejected) as raised:
        http.request("POST", pms.url, headers={"Authorization": SECRET}, json={})

    assert str(raised.value) == "the PMS answered 422 (unknown_client)"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "null",
        '{"error": "Ada Park"}',
        '{"error": {"code": "Ada Park"}}',
        '{"error": {"code": "Zoë"}}',
        "<p>Ada",
    ],
)
def test_an_odd_error_body_is_left_out(http: Http, body: str) -> None:
    with listening(saying(answer(500, body))) as pms, pytest.raises(Temporary) as raised:
        http.request("GET", pms.url)

    assert str(raised.value) == "the PMS answered 500"


@pytest.mark.parametrize("body", ["<html>Login</html>", '{"id": "N1', "[" * 100_000])
@pytest.mark.parametrize(("method", "error"), [("POST", OutcomeUnknown), ("GET", Temporary)])
def test_an_answer_that_is_no_json(
    http: Http, body: str, method: str, error: type[ConnectorError]
) -> None:
    with listening(saying(answer(200, body))) as pms, pytest.raises(error):
        http.request(method, pms.url)


CUT_OFF = {
    "by length": b'HTTP/1.1 201 X\r\nContent-Length: 50\r\n\r\n{"id": "1"}',
    "chunked": b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{}",
    "no gzip": b"HTTP/1.1 201 X\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "nothing": b"",
    "half a status": b"HTTP/1.1 2",
}


@pytest.mark.parametrize("sent", CUT_OFF.values(), ids=CUT_OFF)
@pytest.mark.parametrize(
    ("method", "error"), [("POST", OutcomeUnknown), ("GET", Temporary), ("PATCH", Temporary)]
)
def test_an_answer_cut_off_leaves_a_create_in_doubt_and_nothing_else(
    http: Http, sent: bytes, method: str, error: type[ConnectorError]
) -> None:
    with listening(saying(sent)) as pms:
        with pytest.raises(ConnectorError) as raised:
            http.request(method, pms.url, json={})

        assert type(raised.value) is error
        assert len(pms.requests) == 1, "what may have been carried out was sent again"


def test_no_answer_in_time_leaves_a_create_in_doubt() -> None:
    def silent(listener: Listener, connection: socket.socket) -> None:
        listener.read(connection)
        connection.recv(1)

    http = Http(allow_private=True, read_seconds=0.2)
    with listening(silent) as pms:
        with pytest.raises(OutcomeUnknown):
            http.request("POST", pms.url, json={})
        with pytest.raises(Temporary):
            http.request("GET", pms.url)
    http.close()


def test_a_refused_connection_is_certainly_not_sent(http: Http) -> None:
    # Taken, so that nobody else is there, and not listened on.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(Temporary, match="cannot be reached"):
            http.request("POST", f"http://127.0.0.1:{port}/", json={})


def test_a_name_that_does_not_exist_is_certainly_not_sent(http: Http) -> None:
    with pytest.raises(Temporary, match="cannot be reached"):
        http.request("POST", "http://pms.invalid/", json={})


def test_an_endless_answer_is_given_up(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ringnote.http, "MAX_ANSWER_BYTES", 100_000)

    def endless(listener: Listener, connection: socket.socket) -> None:
        listener.read(connection)
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with listening(endless) as pms, pytest.raises(Temporary):
        http.request("GET", pms.url)


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n", b""])
def test_an_answer_that_trickles_is_given_up(
    http: Http, monkeypatch: pytest.MonkeyPatch, begins: bytes
) -> None:
    monkeypatch.setattr(ringnote.http, "TOTAL_SECONDS", 0.5)
    sent = 0

    def trickle(listener: Listener, connection: socket.socket) -> None:
        nonlocal sent
        listener.read(connection)
        connection.sendall(begins)
        for _ in range(1000):
            connection.sendall(b" ")
            sent += 1
            time.sleep(0.05)

    with listening(trickle) as pms, pytest.raises(Temporary):
        http.request("GET", pms.url)

    assert sent < 500


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_private_address_is_refused_before_anything_is_sent(host: str, method: str) -> None:
    http = Http()
    with listening(saying(answer(200))) as pms:
        port = pms.url.rsplit(":", 1)[1]
        family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
        if family == socket.AF_INET6:
            try:
                other = socket.create_server(("::1", 0), family=family)
            except OSError:
                pytest.skip("this machine speaks no IPv6")
            port = str(other.getsockname()[1])
        with pytest.raises(CredentialsRejected, match="RINGNOTE_ALLOW_PRIVATE_PMS"):
            http.request(method, f"http://{host}:{port}/", headers={"Authorization": SECRET})

        assert pms.requests == []
        if family == socket.AF_INET6:
            other.close()
    http.close()


@pytest.mark.parametrize("url", ["ftp://pms.test/", "pms.test/api", "http://", "http://a..b/"])
def test_an_address_that_is_none_is_for_a_person(http: Http, url: str) -> None:
    with pytest.raises(CredentialsRejected, match="not a web address"):
        http.request("POST", url, json={})


@pytest.mark.parametrize("secret", ["two\r\nX-Lines: 1", "snow☃man", "latin-ü", "nul\x00"])
def test_a_secret_that_cannot_be_sent_is_not_quoted(http: Http, secret: str) -> None:
    with pytest.raises(CredentialsRejected) as raised:
        http.request("POST", "http://127.0.0.1:9/", headers={"Authorization": secret}, json={})

    assert secret[:3] not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_certificate_nobody_vouches_for_is_told_apart(http: Http, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))

    def handshake(listener: Listener, connection: socket.socket) -> None:
        connection.settimeout(5)
        with context.wrap_socket(connection, server_side=True) as wrapped:
            listener.read(wrapped)

    with listening(handshake) as pms:
        with pytest.raises(Temporary, match="certificate"):
            http.request("POST", pms.url.replace("http:", "https:"), json={})

        assert pms.requests == []


def test_a_number_that_is_asked_for_reaches_no_log(
    http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    odd_head = b"HTTP/1.1 200 X\r\nno colon\r\nContent-Length: 2\r\n\r\n{}"

    with listening(saying(odd_head)) as pms:
        http.request("GET", pms.url, params={"phone": "+12125550142"})

    assert caplog.records == []


def test_a_hosts_own_requests_are_logged_as_ever(
    http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    with listening(saying(answer(200))) as pms:
        requests.get(f"{pms.url}/of-the-host", timeout=30)

    assert "/of-the-host" in caplog.text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "999999999"}, RETRY_AFTER_CAP_SECONDS),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"Retry-After": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 1.0),
        ({"RateLimit": '"requests";r=0;t=15'}, 15.0),
        ({"RateLimit": '"a";r=0;t=15, "b";r=3;t=60'}, 60.0),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50.0),
        ({"X-RateLimit-Reset": "42"}, 42.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 20)}, 20.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp() * 1000) + 20_000)}, 20.0),
        ({"RateLimit-Reset": "8"}, 8.0),
        ({"Retry-After": "soon", "RateLimit-Reset": "8"}, 8.0),
        ({"Retry-After": "3", "RateLimit-Reset": "8"}, 3.0),
    ],
)
def test_the_wait_is_read_in_every_style(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_who_can_wait_for_so_long_alone_has_nothing_sent_afterwards(http: Http) -> None:
    hurried = http.within(0.2)
    asked: list[str] = []

    def silent(listener: Listener, connection: socket.socket) -> None:
        listener.read(connection)
        connection.recv(1)

    with listening(silent) as pms:
        with pytest.raises(Temporary, match="did not answer in time"):
            hurried.request("GET", pms.url)
        with pytest.raises(Temporary, match="took too long altogether"):
            hurried.knowing({}, asked.append).request("POST", pms.url)

        assert (len(pms.requests), asked) == (1, [])


@contextmanager
def taking_no_more() -> Iterator[int]:
    """The port of a server that takes no connection any more: who asks for one waits."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        is_full = False
        while not is_full:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            is_full = bool(waiting.connect_ex(server.getsockname()))
        yield server.getsockname()[1]


def test_a_pms_of_many_addresses_that_all_hang_is_given_up_in_time(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringnote.http, "TOTAL_SECONDS", 0.6)
    monkeypatch.setattr(ringnote.http, "CONNECT_SECONDS", 0.25)
    resolve = socket.getaddrinfo

    def twenty(host: str, *asked: object) -> list[object]:
        return 20 * resolve("127.0.0.1", *asked) if host == "pms.test" else resolve(host, *asked)

    monkeypatch.setattr(socket, "getaddrinfo", twenty)
    with taking_no_more() as port:
        began = time.monotonic()
        with pytest.raises(Temporary, match="cannot be reached"):
            http.request("POST", f"http://pms.test:{port}/", json={})
        took = time.monotonic() - began

    assert took < 2.0


def test_the_next_address_is_tried_where_one_hangs(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringnote.http, "CONNECT_SECONDS", 0.25)
    resolve = socket.getaddrinfo

    def both(host: str, *asked: object) -> list[object]:
        hosts = ("127.0.0.1", "127.0.0.2") if host == "pms.test" else (host,)
        return [found for each in hosts for found in resolve(each, *asked)]

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer(200))

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with (
        taking_no_more() as port,
        socket.create_server(("127.0.0.2", port)) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(serve, second)

        answered = http.request("GET", f"http://pms.test:{port}/")

    assert answered.status == 200


def test_a_name_whose_servers_hang_is_given_up_in_time_and_asked_for_once(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringnote.http, "TOTAL_SECONDS", 0.5)
    go_on, asked, resolve = threading.Event(), [], socket.getaddrinfo

    def hang(host: str, *rest: object) -> list[object]:
        if host == "pms.test":
            asked.append(host)
            go_on.wait(5)
        return resolve("127.0.0.1", *rest)

    def ask(_number: int) -> float:
        began = time.monotonic()
        with pytest.raises(Temporary, match="cannot be reached"):
            http.request("POST", "http://pms.test:9/", json={})
        return time.monotonic() - began

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with listening(saying(answer(200))) as pms, ThreadPoolExecutor(4) as pool:
        took = [*pool.map(ask, range(4))]
        other = http.request("GET", pms.url)
        go_on.set()

    assert max(took) < 2.5
    assert asked == ["pms.test"]
    assert other.status == 200

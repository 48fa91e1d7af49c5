"""What a description may say, each of it against a server that answers as told."""

import base64
import inspect
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from werkzeug import Request, Response

from ringnote.connectors import CONNECTORS, find_connector
from ringnote.connectors.base import Kind, Note, Rate, Task, Written
from ringnote.connectors.rest import description, requests
from ringnote.connectors.rest.answers import read_moment
from ringnote.connectors.rest.connector import RestConnector
from ringnote.connectors.rest.description import Description
from ringnote.connectors.rest.filling import VARIABLES
from ringnote.connectors.rest.reading import read_description
from ringnote.errors import (
    ConfigError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ringnote.exchanges import recording

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("C 1/2", 'Missed "call"', "said: \\ {{ title }}\nRingnote rn-1", WHEN, "rn-1")
SMALL = """
title = "Small PMS"
base_url = "{{ base_url }}"
settings.base_url = "Where it is"
secrets.key = "Its key"
auth = { kind = "bearer", token = "{{ key }}" }
client = { id = "id", name = "name", phones = "phones", updated_at = "changed" }
list_clients = { path = "/clients" }
create_note = { path = "/notes", body = '{"client": {{ client }}, "text": {{ body }}}' }
"""
FULL = {
    "find_clients": '{ path = "/clients", query = { q = "{{ phone }}" } }',
    "changed_clients": '{ path = "/clients", query = { since = "{{ since }}" } }',
    "update_note": """{ path = "/notes/{{ id }}", body = '{"text": {{ body }}}' }""",
    "delete_note": '{ path = "/notes/{{ id }}" }',
    "find_note": '{ path = "/notes", query = { client = "{{ client }}" }, text = "text" }',
}


@pytest.fixture
def connect(httpserver, http):
    def make(*lines, settings=None, secrets=None):
        """A connector of the small description, in which these lines stand for their like."""
        text = describe(*lines)
        shown = {"file": text, "base_url": httpserver.url_for("").rstrip("/"), **(settings or {})}
        hidden = {"key": "key-of-4711"} if secrets is None else secrets
        return RestConnector.described_by(shown)(shown, hidden, http.knowing(hidden))

    return make


def describe(*lines):
    own = {line.split(" =")[0] for line in lines}
    kept = [each for each in SMALL.strip().splitlines() if each.split(" =")[0] not in own]
    # A table may stand behind what is written in one line only.
    return "\n".join([*kept, *sorted(lines, key=lambda each: each.startswith("["))])


def full(name):
    return f"{name} = {FULL[name]}"


def faults(*lines):
    return [str(each) for each in read_description(describe(*lines))[1]]


def pages_of(connector):
    return [[each.id for each in page.clients] for page in connector.iter_clients(None)]


def test_it_is_registered_by_its_name():
    assert CONNECTORS["rest"] is RestConnector
    assert find_connector("rest", {"file": "nonsense"}) is None


def test_the_smallest_description_can_do_what_every_pms_must(connect):
    able = connect().capabilities

    assert not any(
        getattr(able, name) for name in able.__slots__ if name.startswith("max") is False
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "clinet = { id = 'id' }",
            "line 9, clinet: there is no such setting; did you mean client?",
        ),
        ("base_url = ''", "line 8, base_url: must not be empty"),
        ("base_url = '{{ base_ulr }}'", 'there is no variable "base_ulr"; did you mean base_url?'),
        ("timezone = 'Mars/Olympus'", '"Mars/Olympus" is no time zone'),
        ("secrets.id = 'x'", 'secrets.id: "id" has a meaning of its own; call it otherwise'),
        ("settings.spare = 'x'", "settings.spare: is asked for, but {{ spare }} stands nowhere"),
        ("secrets.'a b' = 'x'", '"a b" is no name'),
        ("secrets.key = { help = 'x', default = 'abc123' }", "secrets.key: has no default"),
        ("auth = { kind = 'bearer' }", "auth: bearer needs token"),
        ("auth = { kind = 'bearer', token = 'abc123' }", "must be put together from [secrets]"),
        ("auth = { kind = 'none', token = '{{ key }}' }", "auth.token: is no key of none"),
        ("auth = { kind = 'magic' }", "is none of: bearer, basic, header, oauth2, none"),
        ("list_clients = { path = 'clients' }", "list_clients.path: must begin with /"),
        ("list_clients = { path = '/c', items = 'a[' }", "list_clients.items: a[ is no JMESPath"),
        (
            "list_clients = { path = '/c', paging = { kind = 'page' } }",
            "list_clients.paging: is by page, but {{ page }} stands nowhere in the request",
        ),
        (
            "list_clients = { path = '/c', paging = { kind = 'next_url' } }",
            "list_clients.paging: next_url needs next",
        ),
        ("create_note = { path = '/n', body = '\"{{ body }}\"' }", "comes to no JSON"),
        ("create_note = { path = '/n', body = '{{ body.x }}' }", "reaches for an attribute"),
        ("create_note = { path = '/n', body = '{{ f() }}' }", "calls something"),
        ("create_note = { method = 'PUT', path = '/n' }", "create_note.method"),
        ("update_note = { path = '/n', read = 'n', body = '{}' }", "update_note.read: must begin"),
        ("update_note = { path = '/n', read = '/n' }", "update_note.read: is of no use without"),
        ("update_note = { path = '/n', read = '/{{ idd }}', body = '{}' }", 'variable "idd"'),
        ("update_note = { path = '/n', expect = 'a[' }", "update_note.expect: a[ is no JMESPath"),
        ("find_note = { path = '/n' }", "find_note: neither asks for {{ reference }} nor"),
        ("get_task = { path = '/t', is_done = 'x' }", "get_task: is of no use without create_task"),
        ("create_task = { path = '/t' }", "create_task: needs complete_task beside it"),
        ("create_client = { path = '/c' }", "create_client: gives the new client no {{ number }}"),
        ("errors.codes = { GONE = 'gone' }", "errors.codes: are of no use without code"),
        ("limits.rates = [{ requests = 0, seconds = 1 }]", "limits.rates"),
        (
            "limits.rates = [{ requests = 4, seconds = 1 }, { requests = 5, seconds = 1 }]",
            'limits.rates: there are several by the name ""',
        ),
        (
            "limits.rates = [{ requests = 4, seconds = 1, name = 'search' }]",
            'limits.rates: no request is of the rate "search"',
        ),
        (
            "list_clients = { path = '/c', rate = 'search' }",
            'list_clients.rate: no rate in limits.rates is called "search"',
        ),
        ("create_note = { path = '/n', rate = 'x' }", "create_note.rate: there is no such"),
        ("errors.statuses.200 = 'busy'", '"200" is no status of an error'),
    ],
)
def test_what_is_wrong_is_named(line, said):
    found = faults(line)

    assert any(said in each for each in found), found


@pytest.mark.parametrize("begins", ["'''\n{", "'''{"])
def test_faults_within_a_text_of_several_lines_are_named_at_their_own(begins):
    body = f"[create_note]\npath = '/n'\nbody = {begins}\n  \"a\": {{{{ bdoy }}}}\n}}'''"
    text = SMALL.replace("create_note = ", "#") + body

    [found] = read_description(text)[1]

    assert "bdoy" in text.splitlines()[found.line - 1]
    assert 'create_note.body: there is no variable "bdoy"; did you mean body?' in str(found)


def test_changes_are_told_from_one_another_by_a_time():
    found = faults(full("changed_clients"), "client = { id = 'i', name = 'n', phones = 'p' }")

    assert [each.split(": ")[1] for each in found] == ["changed_clients needs updated_at here"]


def test_a_list_is_needed():
    text = SMALL.replace("list_clients", "find_clients")

    found = [str(each) for each in read_description(text)[1]]

    assert "list_clients or changed_clients is needed, to know the PMS's clients by" in found


def test_a_value_cannot_leave_the_place_it_stands_in(connect, httpserver):
    """Neither a text its JSON, nor an id its part of the path."""
    httpserver.expect_request("/notes").respond_with_json({"id": 7}, status=201)
    connector = connect(full("update_note"))

    assert connector.create_note(NOTE, "key") == Written("7")
    httpserver.expect_request("/notes/a/../b?c").respond_with_json({})
    connector.update_note("a/../b?c", NOTE)

    [(created, _), (updated, _)] = httpserver.log
    assert created.get_json() == {"client": NOTE.client_id, "text": NOTE.body}
    assert updated.environ["RAW_URI"] == "/notes/a%2F..%2Fb%3Fc"


def test_times_and_numbers_are_written_as_the_description_has_them(connect, httpserver):
    httpserver.expect_request("/tasks").respond_with_json({"id": "T1"})
    connector = connect(
        "timezone = '{{ zone }}'",
        "settings.zone = 'Its zone'",
        """create_task = { path = "/tasks", body = '{"at": {{ due_at|date("%d.%m. %H:%M") }}, """
        """"iso": {{ due_at }}, "s": {{ due_at|epoch }}, "n": {{ client|int }}, """
        """"done": {{ is_done }}, "who": {{ assignee or none }}, """
        """"how": {{ priority|capitalize }}, "html": {{ body|html }}}' }""",
        "update_task = { path = '/tasks/{{ id }}' }",
        "complete_task = { path = '/tasks/{{ id }}' }",
        settings={"zone": "America/New_York"},
    )

    connector.create_task(Task("17", "…", "a<b\nc", WHEN, "rn-2"), "key")

    [(request, _)] = httpserver.log
    assert request.get_json() == {
        "at": "02.03. 09:30",
        "iso": "2026-03-02T14:30:00Z",
        "s": 1772461800,
        "n": 17,
        "done": False,
        "who": None,
        "how": "Normal",
        "html": "a&lt;b<br>c",
    }


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ("{ kind = 'bearer', token = '{{ key }}' }", {"Authorization": "Bearer key-of-4711"}),
        (
            "{ kind = 'header', header = 'X-Key', value = 'k {{ key }}' }",
            {"X-Key": "k key-of-4711"},
        ),
        (
            "{ kind = 'basic', username = 'me', password = '{{ key }}' }",
            {"Authorization": "Basic " + base64.b64encode(b"me:key-of-4711").decode()},
        ),
    ],
)
def test_it_signs_in_and_no_secret_is_kept_with_an_exchange(connect, httpserver, auth, sent):
    httpserver.expect_request("/clients", headers=sent).respond_with_json([])

    with recording() as exchanges:
        connect(f"auth = {auth}").check()

    assert len(exchanges) == 1
    assert "of-4711" not in json.dumps(exchanges)
    assert next(iter(sent.values())) not in json.dumps(exchanges)


def test_a_token_that_is_refused_is_renewed_once(connect, httpserver):
    tokens = iter(["old", "new"])
    httpserver.expect_request("/token").respond_with_handler(
        lambda request: Response(json.dumps({"access_token": next(tokens), "expires_in": 3600}))
    )
    httpserver.expect_request(
        "/clients", headers={"Authorization": "Bearer old"}
    ).respond_with_json({}, status=401)
    httpserver.expect_request(
        "/clients", headers={"Authorization": "Bearer new"}
    ).respond_with_json([])

    connect(
        "auth = { kind = 'oauth2', token_url = '{{ base_url }}/token', client_id = 'me',"
        " client_secret = '{{ key }}' }"
    ).check()

    assert [request.path for request, _ in httpserver.log] == [
        "/token",
        "/clients",
        "/token",
        "/clients",
    ]


ALL = [{"id": number, "name": f"Client {number}", "phones": []} for number in range(1, 6)]


def by_page(request: Request) -> Response:
    start = (int(request.args["p"]) - 1) * 2
    return Response(json.dumps(ALL[start : start + 2]))


def by_offset(request: Request) -> Response:
    start = int(request.args["from"])
    return Response(json.dumps({"data": {"rows": ALL[start : start + 2]}}))


def by_cursor(request: Request) -> Response:
    start = int(request.args.get("after", 0))
    more = {"after": str(start + 2)} if start + 2 < len(ALL) else None
    return Response(json.dumps({"items": ALL[start : start + 2], "next": more}))


def by_body(request: Request) -> Response:
    start = int(request.get_json()["after"] or 0)
    more = start + 2 if start + 2 < len(ALL) else None
    return Response(json.dumps({"items": ALL[start : start + 2], "next": more}))


def by_next_url(request: Request) -> Response:
    start = int(request.args.get("at", 0))
    # Behind a proxy many a PMS believes that it is at http, without its port.
    more = f"https://localhost/clients?at={start + 2}" if start + 2 < len(ALL) else ""
    return Response(json.dumps({"items": ALL[start : start + 2], "next": more}))


def by_link(request: Request) -> Response:
    start = int(request.args.get("at", 0))
    link = f'</clients?at=0>; rel="first", </clients?at={start + 2}>; rel="next"'
    headers = {"Link": link} if start + 2 < len(ALL) else {}
    return Response(json.dumps(ALL[start : start + 2]), headers=headers)


@pytest.mark.parametrize(
    ("listing", "answer"),
    [
        ("query = { p = '{{ page }}' }, paging = { kind = 'page', size = 2 }", by_page),
        ("query = { p = '{{ page }}' }, paging = { kind = 'page' }", by_page),
        (
            "query = { from = '{{ offset }}' }, items = 'data.rows',"
            " paging = { kind = 'offset', size = 2 }",
            by_offset,
        ),
        (
            "query = { after = '{{ cursor }}' }, items = 'items',"
            " paging = { kind = 'cursor', next = 'next.after' }",
            by_cursor,
        ),
        (
            "method = 'POST', body = '{\"after\": {{ cursor }}}', items = 'items',"
            " paging = { kind = 'cursor', next = 'next' }",
            by_body,
        ),
        ("items = 'items', paging = { kind = 'next_url', next = 'next' }", by_next_url),
        ("paging = { kind = 'link' }", by_link),
    ],
)
def test_each_style_of_paging_is_walked_and_resumed(connect, httpserver, listing, answer):
    httpserver.expect_request("/clients").respond_with_handler(answer)
    connector = connect(f"list_clients = {{ path = '/clients', {listing} }}")

    pages = list(connector.iter_clients(None))
    rest = list(connector.iter_clients(pages[1].cursor))

    told = [each.id for page in pages for each in page.clients]
    assert told == ["1", "2", "3", "4", "5"]
    assert [each.id for page in rest for each in page.clients] == ["5"]


def test_a_walk_begins_anew_where_the_description_pages_otherwise_by_now(connect, httpserver):
    httpserver.expect_request("/clients").respond_with_handler(by_page)
    paging = "query = { p = '{{ page }}' }, paging = { kind = 'page', size = 2 }"
    connector = connect(f"list_clients = {{ path = '/clients', {paging} }}")

    rest = list(connector.iter_clients({"place": "b2Zmc2V0", "by": "cursor"}))

    assert len(rest) == 3


def test_a_date_of_the_future_hides_no_later_change(connect, httpserver):
    rows = [{"id": "C1", "name": "Ada", "phones": [], "changed": "2130-01-01T00:00:00Z"}]
    httpserver.expect_request("/clients").respond_with_json(rows)
    connector = connect(full("changed_clients").replace("{ path", "{ sorted = true, path"))

    *_, page = connector.iter_clients({"since": "2026-03-02T14:30:00+00:00"})

    assert page.cursor["since"] < "2130"


def test_a_path_that_leads_nowhere_is_not_taken_for_nothing_found(connect, httpserver):
    connector = connect(full("find_note").replace("/notes", "/ntoes"))
    empty = connect(full("find_note").replace("{ path", "{ empty_when_404 = true, path"))
    for path in ("/notes", "/ntoes"):
        httpserver.expect_request(path).respond_with_json({}, status=404)

    with pytest.raises(Temporary, match="look at its path"):
        connector.find_by_reference(Kind.NOTE, "C1", "rn-1")
    assert empty.find_by_reference(Kind.NOTE, "C1", "rn-1") is None


def test_a_list_that_repeats_itself_is_given_up(connect, httpserver):
    httpserver.expect_request("/clients").respond_with_json(ALL[:2])
    paging = "query = { p = '{{ page }}' }, paging = { kind = 'page', size = 2 }"

    with pytest.raises(Temporary, match="the same page twice"):
        pages_of(connect(f"list_clients = {{ path = '/clients', {paging} }}"))


def test_secrets_never_go_to_another_host(connect, httpserver):
    more = {"items": ALL[:2], "next": "https://elsewhere.example/clients?at=2"}
    httpserver.expect_request("/clients").respond_with_json(more)
    paging = "items = 'items', paging = { kind = 'next_url', next = 'next' }"

    with pytest.raises(CredentialsRejected, match="another host"):
        pages_of(connect(f"list_clients = {{ path = '/clients', {paging} }}"))


def test_what_changed_behind_the_walks_back_is_told_again(connect, httpserver):
    """A client that was changed once its page had passed is newer than what the walk saw last."""
    rows = [{"id": "C1", "name": "Ada", "phones": [], "changed": "2030-01-01T00:00:00Z"}]
    httpserver.expect_request("/clients").respond_with_json(rows)
    connector = connect(full("changed_clients"))
    with recording() as exchanges:
        [page] = connector.iter_clients(None)

    list(connector.iter_clients(page.cursor))

    request, _ = httpserver.log[-1]
    walked_at = parsedate_to_datetime(exchanges[0]["answer_headers"]["Date"])
    since = datetime.fromisoformat(request.args["since"])
    assert walked_at - since == timedelta(seconds=60)


def test_who_only_resembles_a_number_is_not_found_by_it(connect, httpserver):
    rows = [
        {"id": 1, "name": "Ada", "phones": ["(212) 555-0142"]},
        {"id": 2, "name": "Ben", "phones": ["212-555-0142 x7", None, ""]},
        {"id": 3, "name": "Cy", "phones": [{"number": "+44 20 7946 0142", "label": "home"}]},
        {"id": 4, "name": "Di", "phones": None},
    ]
    httpserver.expect_request("/clients").respond_with_json(rows)
    spelt = "['{{ number }}', '{{ national }}', '{{ formatted }}']"
    find = "find_clients = {{ path = '/clients', query = {{ q = '{{{{ phone }}}}' }}{} }}"

    some = connect(find.format(f", spellings = {spelt}")).find_clients("+12125550142")
    every = connect(find.format(", exact = true")).find_clients("+12125550142")

    assert [each.id for each in some] == ["1", "2", "4"]
    assert [each.id for each in every] == ["1", "2", "3", "4"]
    asked = [request.args["q"] for request, _ in httpserver.log]
    assert asked == ["+12125550142", "2125550142", "(212) 555-0142", "+12125550142"]


def test_a_reference_is_found_in_the_text_and_not_as_a_part_of_another(connect, httpserver):
    rows = [{"id": 1, "text": "Ringnote rn-11"}, {"id": 2, "text": "x\nRingnote rn-1\n"}]
    httpserver.expect_request("/notes").respond_with_json(rows)
    connector = connect(full("find_note"))

    assert connector.find_by_reference(Kind.NOTE, "C1", "rn-1") == "2"
    assert connector.find_by_reference(Kind.NOTE, "C1", "rn-2") is None
    assert connector.find_by_reference(Kind.NOTE, "C1", "rn") is None


ERRORS = [
    "errors.when = 'error'",
    "errors.code = 'error.code'",
    "errors.codes = { NOT_FOUND = 'gone', THROTTLED = 'slow_down', TOKEN = 'credentials' }",
]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NOT_FOUND", RecordGone),
        ("THROTTLED", RateLimited),
        ("TOKEN", CredentialsRejected),
        ("No Doe, Jane 212-555-0142", RecordRejected),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_the_code_inside_an_answer_says_what_error_it_is(connect, httpserver, code, kind, status):
    told = {"error": {"code": code}}
    httpserver.expect_request("/notes/7").respond_with_json(told, status=status)

    with pytest.raises(kind) as raised:
        connect(full("update_note"), *ERRORS).update_note("7", NOTE)

    assert "Doe" not in str(raised.value)


@pytest.mark.parametrize("body", ["[]", '{"error": "NOT_FOUND"}', "<p>NOT_FOUND</p>"])
def test_where_an_answer_holds_no_code_its_status_says_what_error_it_is(connect, httpserver, body):
    httpserver.expect_request("/notes/7").respond_with_data(body, status=503)

    with pytest.raises(Temporary) as raised:
        connect(full("update_note"), *ERRORS).update_note("7", NOTE)

    assert str(raised.value) == "the PMS answered 503"


def test_nothing_is_gone_that_was_to_be_written(connect, httpserver):
    httpserver.expect_request("/notes").respond_with_json({"error": {"code": "NOT_FOUND"}})

    with pytest.raises(RecordRejected):
        connect(*ERRORS).create_note(NOTE, "key")


def test_a_wait_is_heeded_by_whatever_an_error_is_told(connect, httpserver):
    limited = {"error": {"code": "THROTTLED"}}
    lines = [full("update_note"), *ERRORS, "errors.statuses.403 = 'slow_down'"]
    waits = []
    for status in (200, 400, 403):
        httpserver.clear()
        answered = httpserver.expect_request("/notes/7")
        answered.respond_with_json(limited, status, {"Retry-After": "17"})
        with pytest.raises(RateLimited) as raised:
            connect(*lines).update_note("7", NOTE)
        waits.append(raised.value.retry_after)

    assert waits == [17, 17, 17]


@pytest.mark.parametrize("pms_id", [".", ".."])
def test_an_id_leads_nowhere_else(connect, httpserver, pms_id):
    with pytest.raises(RecordRejected):
        connect(full("delete_note")).delete_note(pms_id)

    assert httpserver.log == []


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("2026-03-02 09:30:00", WHEN),
        ("2026-03-02T14:30:00Z", WHEN),
        ("20260302093000", WHEN),
        ("20260302", WHEN.replace(hour=5, minute=0)),
        (1772461800, WHEN),
        ("1772461800", WHEN),
        (1772461800000, WHEN),
        ("0001-01-01 00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_however_it_is_written(told, read):
    assert read_moment("at", {"at": told}, "America/New_York", "a time") == read


@pytest.mark.parametrize("told", ["yesterday", True, [1], "99999999"])
def test_what_is_no_time_is_told_as_odd(told):
    with pytest.raises(Temporary, match="its description does not know: a time"):
        read_moment("at", {"at": told}, "UTC", "a time")


def test_statuses_may_mean_something_else_and_waits_be_told_otherwise(connect, httpserver):
    httpserver.expect_request("/notes").respond_with_json(
        {}, status=420, headers={"X-Come-Back": "17"}
    )
    lines = ["errors.statuses.420 = 'slow_down'", "limits.wait_headers = ['X-Come-Back']"]

    with pytest.raises(RateLimited):
        connect(lines[0]).create_note(NOTE, "key")
    httpserver.clear()
    httpserver.expect_request("/notes").respond_with_json(
        {}, status=429, headers={"X-Come-Back": "17"}
    )
    with pytest.raises(RateLimited) as raised:
        connect(*lines).create_note(NOTE, "key")

    assert raised.value.retry_after == 17


def test_each_request_is_of_the_rate_that_it_is_described_as(httpserver, http):
    text = describe(
        "limits.rates = [{ requests = 100, seconds = 10 },"
        " { requests = 4, seconds = 1.5, name = 'search' }]",
        full("find_clients").replace("path", "rate = 'search', path"),
    )
    asked = []
    shown = {"file": text, "base_url": httpserver.url_for("").rstrip("/")}
    hidden = {"key": "key-of-4711"}
    httpserver.expect_request("/clients").respond_with_json([])
    httpserver.expect_request("/notes").respond_with_json({"id": 7})

    connector = RestConnector.described_by(shown)(shown, hidden, http.knowing(hidden, asked.append))
    connector.find_clients("+12125550142")
    connector.check()
    connector.create_note(NOTE, "key")

    assert connector.rates == (Rate(100, 10.0), Rate(4, 1.5, "search"))
    assert asked == ["search", "", ""]


@pytest.mark.parametrize("answer", [[], {}, {"id": ""}, {"id": None}, {"id": True}])
def test_an_answer_without_an_id_leaves_open_whether_it_was_written(connect, httpserver, answer):
    httpserver.expect_request("/notes").respond_with_json(answer, status=201)

    with pytest.raises(OutcomeUnknown):
        connect().create_note(NOTE, "key")


def test_an_id_may_stand_in_the_location(connect, httpserver):
    httpserver.expect_request("/notes").respond_with_data(
        "", status=201, headers={"Location": "https://x.example/notes/N%20-17/"}
    )
    create = """create_note = { path = "/notes", id = "", body = '{"text": {{ body }}}' }"""

    assert connect(create).create_note(NOTE, "key") == Written("N -17")


def test_an_answer_that_is_no_json_is_fine_where_it_says_so(connect, httpserver):
    httpserver.expect_request("/notes/7").respond_with_data("OK")
    line = full("update_note")

    connect(line.replace("{ path", "{ ignore_answer = true, path")).update_note("7", NOTE)
    with pytest.raises(Temporary):
        connect(line).update_note("7", NOTE)


def test_mending_the_file_keeps_the_account_and_moving_it_does_not(connect):
    one, other = {"file": describe(), "base_url": "https://a.example"}, {"base_url": "https://b.x"}
    mended = {**one, "file": describe("limits.title = 80")}
    moved = {**one, "file": describe("base_url = '{{ base_url }}/v2'")}

    def account(settings):
        return RestConnector.described_by(settings).account_of(settings)

    assert account(one) == account(mended)
    assert account(one) != account(moved)
    assert account(one) != account({**one, **other})


@pytest.mark.parametrize(
    ("lines", "settings", "secrets", "said"),
    [
        ([], {"base_url": "ftp://x"}, {"key": "k"}, "base_url comes to no web address"),
        (["timezone = '{{ base_url }}'"], {}, {"key": "k"}, "timezone comes to no time zone"),
        ([], {}, {"key": "k\tk"}, "must be printable"),
    ],
)
def test_settings_that_cannot_work_are_told_before_anything_is_sent(
    connect, lines, settings, secrets, said
):
    with pytest.raises(ConfigError, match=said):
        connect(*lines, settings=settings, secrets=secrets)


def test_a_description_with_faults_makes_no_connector(http):
    with pytest.raises(ConfigError) as raised:
        RestConnector.described_by({"file": describe("clinet = {}", "timezone = 'x'")})

    assert [each.split(",")[0] for each in raised.value.faults] == ["file: line 9", "file: line 10"]
    with pytest.raises(ConfigError, match="file is missing"):
        RestConnector({}, {}, http)


DOCS = Path(__file__).parents[2] / "docs" / "connectors" / "rest.md"


def test_what_the_docs_begin_with_has_no_fault():
    text = DOCS.read_text().split("```toml\n")[1].split("```")[0]

    assert read_description(text)[1] == []


def test_the_docs_tell_of_every_key_and_every_variable():
    told = DOCS.read_text()
    held = {**vars(description), **vars(requests)}.values()
    kinds = [each for each in held if inspect.isclass(each)]
    parts = [each for each in kinds if issubclass(each, requests.Section)]
    fields = [(name, field) for each in parts for name, field in each.model_fields.items()]
    said = [field.description for each in parts for field in each.model_fields.values()]
    variables = {name for names in VARIABLES.values() for name in names}

    assert [name for name, _ in fields if f"`{name}`" not in told and f"[{name}]" not in told] == []
    assert [name for name in variables if f"`{name}`" not in told] == []
    of_parts = {each for each in said if each} - {
        field.description for field in Description.model_fields.values()
    }
    assert [each for each in of_parts if " ".join(each.split()) not in told] == []


WHOLE = """[update_note]
method = "PUT"
path = "/notes/{{ id }}"
read = "/notes/{{ id }}"
record = "data.{text: text, kind: kind, own: own}"
body = '{"text": {{ body }}, "own": {"title": {{ title }}}}'
expect = "data.id"
"""


def test_a_record_that_is_taken_as_a_whole_is_sent_back_with_what_changes(connect, httpserver):
    stands = {"id": "7", "text": "old", "kind": 3, "own": {"title": "old", "colour": "red"}}
    httpserver.expect_request("/notes/7", method="GET").respond_with_json({"data": stands})
    httpserver.expect_request("/notes/7", method="PUT").respond_with_json({"data": {"id": "7"}})

    connect(WHOLE).update_note("7", NOTE)

    (read, _), (sent, _) = httpserver.log
    assert (read.method, sent.method) == ("GET", "PUT")
    own = {"title": NOTE.title, "colour": "red"}
    assert sent.get_json() == {"text": NOTE.body, "kind": 3, "own": own}


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [({"data": None}, 200, Temporary), ([], 200, Temporary), ({}, 404, RecordGone)],
)
def test_where_a_whole_record_cannot_be_read_none_is_sent(
    connect, httpserver, answer, status, error
):
    httpserver.expect_request("/notes/7", method="GET").respond_with_json(answer, status)

    with pytest.raises(error):
        connect(WHOLE).update_note("7", NOTE)

    assert [request.method for request, _ in httpserver.log] == ["GET"]


@pytest.mark.parametrize(
    ("table", "error"), [("create_note", OutcomeUnknown), ("update_note", Temporary)]
)
def test_an_answer_of_other_than_what_is_expected_is_no_success(connect, httpserver, table, error):
    httpserver.expect_request("/notes/7").respond_with_json({"id": "7", "state": "queued"})
    method = {"create_note": "POST", "update_note": "PATCH"}[table]
    connector = connect(
        f"{table} = {{ path = '/notes/7', method = '{method}', expect = \"state == 'kept'\" }}"
    )
    do = {
        "create_note": lambda: connector.create_note(NOTE, "key"),
        "update_note": lambda: connector.update_note("7", NOTE),
    }[table]

    with pytest.raises(error, match="does not expect"):
        do()


@pytest.mark.parametrize(
    ("said", "kind", "is_fine"),
    [
        ("OK", "text/plain", True),
        ("<ok/>", "text/xml", True),
        ("OK", "text/html", True),
        ("<p>Sign in", "text/html; charset=utf-8", False),
        (" <!DOCTYPE html><p>Sign in", "text/plain", False),
    ],
)
def test_an_answer_that_is_ignored_is_no_web_page(connect, httpserver, said, kind, is_fine):
    answered = httpserver.expect_request("/notes/7")
    answered.respond_with_data(said, content_type=kind)
    connector = connect("update_note = { path = '/notes/7', ignore_answer = true }")

    if is_fine:
        connector.update_note("7", NOTE)
    else:
        with pytest.raises(Temporary, match="a web page in place of JSON"):
            connector.update_note("7", NOTE)

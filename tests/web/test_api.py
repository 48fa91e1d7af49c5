"""The API as programs see it: what it tells, of which clinics, in which pages, to which tokens."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote import Ringnote, create_app
from ringnote.access.identity import Scope
from ringnote.access.tokens import add_token, revoke_token
from ringnote.clock import utc_now
from ringnote.errors import ConfigError, RecordRejected
from ringnote.models import ApiToken, Client, Clinic, Transcript
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from stories import CALLER, LINE, Phone, calls, moments, settle, write

STRANGER = "+12125550177"
LISTINGS = ("/clinics", "/calls", "/conversations", "/entries", "/clients")


class Program:
    """A program with a token, or with what it takes for one; None for none at all."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self.browser = app.test_client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, path: str, method: str = "GET", **options):
        return self.browser.open(f"/api/v1{path}", method=method, headers=self.headers, **options)

    def get(self, path: str):
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "application/json"
        return answer.json

    def refused(self, path: str, method: str = "GET"):
        """The status and the detail of a problem."""
        answer = self.ask(path, method)
        assert answer.content_type == "application/problem+json", answer.text
        assert answer.json["status"] == answer.status_code
        assert answer.json["title"]
        return answer.status_code, answer.json["detail"]


@pytest.fixture
def app(runtime):
    return create_app(runtime=runtime)


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets", timezone="America/New_York")


@pytest.fixture
def jane(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def issue(app, runtime):
    """Makes programs with a token of these scopes, for these clinics (None: all)."""

    def make(*scopes, clinics=None, name="report", expires_at=None):
        with runtime.db.transaction() as session:
            theirs = None
            if clinics is not None:
                theirs = [session.get_one(Clinic, clinic.id) for clinic in clinics]
            scopes = scopes or tuple(Scope)
            _, secret = add_token(session, name, scopes, theirs, utc_now(), expires_at, "kim")
        return Program(app, secret)

    return make


@pytest.fixture
def program(issue):
    return issue()


def read_all(program: Program, path: str, limit: int = 2) -> list[int]:
    """The ids of every page of a listing."""
    mark = "&" if "?" in path else "?"
    found, more = [], ""
    while more is not None:
        page = program.get(f"{path}{mark}limit={limit}{more}")
        assert len(page["items"]) <= limit
        found += [each["id"] for each in page["items"]]
        more = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    return found


def ids(program: Program, path: str) -> list[int]:
    return [each["id"] for each in program.get(path)["items"]]


def test_a_clinic_is_told(program, clinic):
    [listed] = program.get("/clinics")["items"]

    assert listed == program.get(f"/clinics/{clinic.id}")
    assert listed["name"] == "Oak Street Vets"
    assert listed["container_id"] == clinic.container_id
    assert listed["created_at"] == clinic.created_at.isoformat().replace("+00:00", "Z")


def test_a_call_is_told_with_whose_it_is_and_its_entries(program, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)

    [call] = program.get("/calls")["items"]

    assert (call["call_uuid"], call["direction"], call["outcome"]) == ("u-1", "inbound", "answered")
    assert (call["number"], call["caller_name"], call["line"]) == (CALLER, "DOE JANE", "Main")
    assert (call["match"]["kind"], call["match"]["client"], call["match"]["name"]) == (
        *("client", "C1"),
        "Jane Doe",
    )
    assert call["disposition"] == "due"
    [note] = call["entries"]
    assert (note["kind"], note["state"], note["client"]) == ("note", "due", "C1")
    assert all(moment is None or moment.endswith("Z") for moment in moments(call))


def test_one_call_is_told_with_what_its_outcome_rests_on(program, runtime, phone, jane):
    phone.answered("u-1")
    settle(runtime)
    [call] = program.get("/calls")["items"]

    whole = program.get(f"/calls/{call['id']}")

    assert {name: whole[name] for name in call} == call
    assert whole["evidence"] == ["an extension answered"]
    assert (whole["waited_seconds"], whole["talked_seconds"]) == (6, 3)
    assert [event["type"] for event in whole["events"]] == [
        *("InboundCall", "ringAttempt", "ExtensionAnswered", "HangupCall")
    ]
    assert whole["events"][1]["changed"] == ["101 rang"]


def test_a_reused_call_uuid_is_told_as_two_calls(program, runtime, phone):
    phone.answered("u-1")
    settle(runtime)
    phone.at += timedelta(hours=25)
    phone.missed("u-1")
    settle(runtime)

    second, first = ids(program, "/calls")

    assert program.get(f"/calls/{first}")["ordinal"] == 1
    assert program.get(f"/calls/{second}")["ordinal"] == 2
    assert program.get(f"/calls/{second}")["outcome"] == "missed"


def test_a_call_under_way_is_told_as_open(program, runtime, phone):
    phone.rings("u-1")
    settle(runtime)

    [call] = program.get("/calls")["items"]

    assert (call["disposition"], call["outcome"], call["match"]) == ("open", "unknown", None)
    assert program.get(f"/calls/{call['id']}")["ended_at"] is None


def test_a_conversation_is_told_day_by_day_with_its_texts(program, runtime, phone, jane):
    phone.text("Is Rex ready?")
    phone.text("Yes, come by.", inbound=False)
    settle(runtime)

    [listed] = program.get("/conversations")["items"]
    whole = program.get(f"/conversations/{listed['id']}")

    assert (listed["key"], listed["numbers"], listed["days"]) == ("c-1", [CALLER], 1)
    assert "windows" not in listed
    [window] = whole["windows"]
    assert window["day"] == listed["first_day"]
    assert (window["number"], window["line"]) == (CALLER, LINE)
    assert [(each["direction"], each["text"]) for each in window["messages"]] == [
        ("inbound", "Is Rex ready?"),
        ("outbound", "Yes, come by."),
    ]
    assert [each["kind"] for each in window["entries"]] == ["transcript"]


def test_an_entry_leads_back_to_what_it_comes_of(program, runtime, phone, jane):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)

    told = program.get("/entries")["items"]

    assert {each["kind"] for each in told} == {"note", "task", "transcript"}
    places = {"call": "calls", "transcript": "conversations"}
    for entry in told:
        [origin] = entry["origins"]
        program.get(f"/{places[origin['kind']]}/{origin['id']}")
        assert origin["key"] == {"call": "u-1", "transcript": "c-1"}[origin["kind"]]


def test_one_entry_is_told_with_its_text_and_its_tries(program, runtime, db, clinic, phone, jane):
    make_connection(db, clinic)
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS refused the title", status=422)]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)
    [entry] = program.get("/entries?state=set_aside")["items"]

    whole = program.get(f"/entries/{entry['id']}")

    assert {name: whole[name] for name in entry} == entry
    assert "From (212) 555-0142" in whole["body"]
    assert (whole["reason"], whole["pms_id"]) == ("the PMS refused the title", None)
    assert [(each["outcome"], each["http_status"]) for each in whole["tries"]] == [
        ("set_aside", 422)
    ]


def test_a_client_is_told_with_its_numbers(program, jane):
    [listed] = program.get("/clients")["items"]

    assert listed == program.get(f"/clients/{jane.id}")
    assert (listed["client"], listed["name"]) == ("C1", "Jane Doe")
    assert listed["numbers"] == [{"number": CALLER, "label": ""}]


@pytest.mark.parametrize("number", ["212-555-0142", "%2B12125550142", "(212)%20555%200142"])
def test_a_number_is_looked_up_in_any_format(program, clinic, jane, number):
    found = program.get(f"/lookup?clinic={clinic.id}&number={number}")

    assert (found["number"], found["kind"], found["client"]) == (CALLER, "client", "C1")
    assert found["rule"] == "one client has this number"
    assert [each["name"] for each in found["clients"]] == ["Jane Doe"]


def test_a_shared_number_names_those_to_choose_among(program, db, clinic, jane):
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])

    found = program.get(f"/lookup?clinic={clinic.id}&number=2125550142")

    assert (found["kind"], found["client"]) == ("several", None)
    assert [each["client"] for each in found["clients"]] == ["C1", "C2"]


@pytest.mark.parametrize(
    ("number", "kind", "read"),
    [
        ("2125550177", "none", STRANGER),
        ("anonymous", "withheld", None),
        ("no number at all", "none", None),
        ("%F0%9F%90%95", "none", None),
        ("%FF", "none", None),
        ("101", "none", None),
    ],
)
def test_what_is_nobody_s_number_is_said_to_be(program, clinic, jane, number, kind, read):
    found = program.get(f"/lookup?clinic={clinic.id}&number={number}")

    assert (found["kind"], found["number"], found["clients"]) == (kind, read, [])
    assert found["rule"]


def test_calls_are_narrowed_by_time_outcome_and_number(program, runtime, phone, jane):
    phone.at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    phone.answered("u-1")
    phone.at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    phone.missed("u-2", STRANGER)
    settle(runtime)
    answered = {call.call_uuid: call.id for call in calls(runtime)}["u-1"]
    missed = {call.call_uuid: call.id for call in calls(runtime)}["u-2"]

    assert ids(program, "/calls?since=2026-11-21T00:00:00Z") == [missed]
    assert ids(program, "/calls?until=2026-11-21T00:00:00Z") == [answered]
    assert ids(program, "/calls?until=2026-11-21T04:00:00-06:00") == sorted(
        [answered, missed], reverse=True
    )
    assert ids(program, "/calls?outcome=missed") == [missed]
    assert ids(program, "/calls?number=%2B12125550142") == [answered]


def test_entries_are_narrowed_by_state_and_kind(program, runtime, phone, jane):
    phone.answered("u-1")
    phone.missed("u-2", STRANGER)
    settle(runtime)

    def kinds(query):
        return sorted(each["kind"] for each in program.get(f"/entries?{query}")["items"])

    assert kinds("state=due") == ["note"]
    assert kinds("state=waiting") == ["note", "task"]
    assert kinds("state=waiting&kind=task") == ["task"]


def test_clients_are_narrowed_by_their_id_and_by_when_they_changed(program, db, clinic, jane):
    other = make_client(db, clinic, "C2", "John Doe")
    with db.transaction() as session:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        session.execute(sa.update(Client).where(Client.id == jane.id).values(updated_at=long_ago))

    assert ids(program, "/clients?client=C1") == [jane.id]
    assert ids(program, "/clients?updated_since=2020-01-02T00:00:00Z") == [other.id]


def test_pages_together_are_the_whole_listing(program, db, clinic):
    made = [make_client(db, clinic, f"C{number}", "A name").id for number in range(5)]

    for limit in (1, 2, 4, 5, 6, 200):
        assert read_all(program, "/clients", limit) == made[::-1]


def test_every_listing_comes_in_pages(program, db, runtime, clinic, phone, jane):
    make_client(db, clinic, "C2", "John Doe")
    other = make_clinic(db)
    for number in ("u-1", "u-2"):
        phone.missed(number)
    phone.text("Hello")
    Phone(runtime, other).text("Hello")
    settle(runtime)

    for path in LISTINGS:
        assert read_all(program, path, 1) == ids(program, path)
        assert len(ids(program, path)) >= 2


def test_what_is_added_meanwhile_shifts_no_page(program, db, clinic):
    made = [make_client(db, clinic, f"C{number}", "A name").id for number in range(4)]
    first = program.get("/clients?limit=2")

    late = make_client(db, clinic, "C9", "A name").id
    second = program.get(f"/clients?limit=2&cursor={first['next_cursor']}")

    assert [each["id"] for each in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    assert ids(program, "/clients?limit=1") == [late]


def test_a_cursor_may_be_used_with_another_limit(program, db, clinic):
    made = [make_client(db, clinic, f"C{number}", "A name").id for number in range(4)]
    cursor = program.get("/clients?limit=1")["next_cursor"]

    assert ids(program, f"/clients?limit=3&cursor={cursor}") == made[2::-1]


def test_a_cursor_that_this_listing_has_not_told_is_refused(program, db, clinic):
    for number in range(3):
        make_client(db, clinic, f"C{number}", "A name")
    cursor = program.get("/clients?limit=1")["next_cursor"]
    tampered = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        for place in range(len(cursor))
    ]

    wrong = [f"/clients?cursor={each}" for each in (*tampered, cursor[:-1], f"{cursor}A", "", "ä")]
    wrong += [f"{path}?cursor={cursor}" for path in LISTINGS if path != "/clients"]
    wrong += [f"/clients?clinic={clinic.id}&cursor={cursor}"]
    for path in wrong:
        status, detail = program.refused(path)
        assert (status, detail.partition(":")[0]) == (400, "cursor"), path


def test_another_clinic_s_things_are_as_if_they_were_not_there(issue, db, runtime, clinic, phone):
    other = make_clinic(db)
    theirs = make_client(db, other, "C1", "Somebody Else", numbers=[CALLER])
    phone.missed("u-1")
    phone.text("Hello")
    settle(runtime)
    everything, program = issue(), issue(clinics=[other], name="theirs")

    assert ids(program, "/clinics") == [other.id]
    assert ids(program, "/clients") == [theirs.id]
    for path in ("/calls", "/conversations", "/entries"):
        assert ids(program, path) == []
        for there in ids(everything, path):
            none = program.refused(f"{path}/999999")
            assert program.refused(f"{path}/{there}") == none
            assert none[0] == 404
    none = program.refused("/calls?clinic=999999")
    assert none[0] == 404
    assert program.refused(f"/clinics/{clinic.id}") == none
    assert program.refused(f"/lookup?clinic={clinic.id}&number=2125550142") == none
    for path in ("/calls", "/conversations", "/entries", "/clients"):
        assert program.refused(f"{path}?clinic={clinic.id}") == none


def test_a_token_whose_clinics_are_gone_opens_nothing(issue, db, runtime, clinic, phone):
    gone = make_clinic(db)
    program = issue(clinics=[gone])
    phone.missed("u-1")
    settle(runtime)
    with db.transaction() as session:
        session.delete(session.get_one(Clinic, gone.id))

    for path in LISTINGS:
        assert ids(program, path) == []


def test_one_of_several_clinics_may_be_asked_for(program, db, clinic, jane):
    other = make_clinic(db)
    theirs = make_client(db, other, "C1", "Somebody Else")

    assert ids(program, "/clients") == [theirs.id, jane.id]
    assert ids(program, f"/clients?clinic={clinic.id}") == [jane.id]


def test_a_clinic_that_is_not_there_is_not_found_by_who_has_all(program, clinic):
    assert program.refused("/calls?clinic=999999")[0] == 404


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        (Scope.CALLS, {"/calls", "/conversations"}),
        (Scope.ENTRIES, {"/entries"}),
        (Scope.CLIENTS, {"/clients", "/lookup"}),
    ],
)
def test_a_scope_opens_what_it_names_and_the_clinics(issue, clinic, scope, opens):
    program = issue(scope)

    for path in (*LISTINGS, "/lookup"):
        query = f"?clinic={clinic.id}&number=2125550142" if path == "/lookup" else ""
        if path in opens | {"/clinics"}:
            program.get(path + query)
        else:
            assert program.refused(path + query)[0] == 403


@pytest.mark.parametrize("token", [None, "rn_wrong", " ", "\xff", "rn_" + "x" * 5000])
def test_a_stranger_is_told_to_send_a_token(app, clinic, token):
    for path in (*LISTINGS, "/lookup", "/calls/1", "/clinics/1"):
        answer = Program(app, token).ask(path)

        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_ends_when_it_is_revoked_and_when_it_expires(issue, runtime):
    revoked, expired = issue(), issue(name="old", expires_at=utc_now() - timedelta(seconds=1))
    assert revoked.ask("/clinics").status_code == 200

    with runtime.db.transaction() as session:
        revoke_token(session, "report")

    assert revoked.refused("/clinics")[0] == 401
    assert expired.refused("/clinics")[0] == 401


def test_a_token_s_last_use_is_written_down(program, runtime):
    program.get("/clinics")

    with runtime.db.reading() as session:
        [used_at] = session.scalars(sa.select(ApiToken.used_at))
    assert utc_now() - used_at < timedelta(minutes=1)


def test_a_signed_in_person_s_cookie_or_this_machine_opens_nothing(app, clinic):
    for address in ("127.0.0.1", "192.0.2.7"):
        stranger = Program(app, None)
        answer = stranger.ask("/clinics", environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == 401


FAULTS = {
    "limit": ["0", "201", "x", "", "-1", "1.5", "1e2", "٣", "９", " 5", "1_0", "9" * 5000, "%00"],
    "clinic": ["0", "-1", "x", "9" * 19, "9" * 5000, "१", "%00", "%FF"],
    "since": ["today", "2026-11-24", "2026-11-24T00:00:00", "2026-13-01T00:00:00Z", "%00", ""],
    "until": [
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-24T00:00:00 00:00",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-24T00:00:00Z",
        "2026-11-24T00:00:00%2B99:99",
    ],
    "outcome": ["lost", "", "MISSED", "%00"],
    "number": ["2125550142", "+12125550142", "", "%00", "%2B0", "%2B" + "1" * 16, "%2B١٢١٢٥٥٥٠١٤٢"],
    "colour": ["red"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_parameter_is_named(program, clinic, name):
    for value in FAULTS[name]:
        answer = program.ask(f"/calls?{name}={value}")

        assert answer.status_code == 400, value
        assert answer.content_type == "application/problem+json"
        assert [fault["parameter"] for fault in answer.json["errors"]] == [name]
        assert answer.json["detail"].startswith(f"{name}: ")


def test_what_can_be_no_number_is_not_looked_up(program, clinic):
    for number in ("", "%00", "1%0A2", "x" * 65, "%7F"):
        answer = program.ask(f"/lookup?clinic={clinic.id}&number={number}")

        assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (400, "number")


def test_every_fault_is_named_at_once(program, clinic):
    answer = program.ask("/calls?limit=0&since=x&colour=red&outcome=missed&outcome=missed")

    assert {fault["parameter"] for fault in answer.json["errors"]} == {
        *("limit", "since", "colour", "outcome")
    }
    [unknown] = [each for each in answer.json["errors"] if each["parameter"] == "colour"]
    for known in ("limit", "cursor", "clinic", "since", "until", "outcome", "number"):
        assert known in unknown["detail"]


def test_what_must_be_given_is_named(program):
    answer = program.ask("/lookup")

    assert [fault["parameter"] for fault in answer.json["errors"]] == ["clinic", "number"]


def test_a_fault_repeats_no_value(program, clinic):
    answer = program.ask(f"/lookup?clinic=%2B12125550142&number={'7' * 65}&x=2125550142")

    assert answer.status_code == 400
    assert "5550142" not in answer.text
    assert "777" not in answer.text


@pytest.mark.parametrize("path", LISTINGS)
def test_what_can_be_no_id_is_not_found(program, clinic, path):
    for last in ("0", "-1", "x", "1.0", "٣", "9" * 19, "9" * 5000, "%00", "%FF"):
        assert program.refused(f"{path}/{last}")[0] == 404, last


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_says_where_the_known_ones_are(app, program, method):
    for path in ("", "/", "/nothing", "/calls/", "/calls/1/notes", "/v2/calls"):
        for anybody in (program, Program(app, None)):
            status, detail = anybody.refused(path, method)

            assert status == 404
            assert "openapi.json" in detail


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_nothing_can_be_written(program, method):
    for path in (*LISTINGS, "/calls/1", "/lookup", "/openapi.json"):
        assert program.refused(path, method) == (405, "The API only reads: use GET.")
        assert program.ask(path, method).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_the_body_and_options_tells_the_methods(program, clinic):
    got, head = program.ask("/clinics"), program.ask("/clinics", "HEAD")
    options = program.ask("/clinics", "OPTIONS")

    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == got.content_length
    assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert program.refused("/nothing", "OPTIONS")[0] == 404


def test_no_answer_is_kept_or_framed(app, program):
    refused = Program(app, None).ask("/clinics")
    paths = ("/clinics", "/nothing", "/clinics?x=1", "/openapi.json")

    for answer in (refused, *map(program.ask, paths)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_fault_of_ours_tells_nothing_of_itself(program, runtime, phone, caplog):
    phone.text("a text that is nobody's business")
    settle(runtime)
    with runtime.db.transaction() as session:
        [window] = session.scalars(sa.select(Transcript))
        bad = [{**window.summary["messages"][0], "is_attachment": "Jane Doe"}]
        window.summary = {**window.summary, "messages": bad}

    status, detail = program.refused(f"/conversations/{window.conversation_id}")

    assert status == 500
    assert "log" in detail
    assert "Jane" not in detail
    assert "api.failed" in caplog.text
    assert "Jane" not in caplog.text


def test_a_database_that_is_away_is_said_to_be(runtime):
    away = load_settings(
        {"database_url": "postgresql://nobody@127.0.0.1:9/none", "secret_key": "k" * 40},
        environ={},
    )
    away_runtime = Runtime.from_settings(away)
    answer = Program(create_app(runtime=away_runtime), "rn_any").ask("/clinics")
    away_runtime.close()

    assert (answer.status_code, answer.json["status"]) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0


def test_a_long_page_takes_as_many_queries_as_a_short_one(program, runtime, db, clinic, phone):
    def count(path):
        found: list[str] = []

        def add(_connection, _cursor, statement, *_):
            found.append(statement)

        sa.event.listen(runtime.db.engine, "before_cursor_execute", add)
        program.get(path)
        sa.event.remove(runtime.db.engine, "before_cursor_execute", add)
        return len(found)

    def ask():
        return {path: count(path) for path in (*LISTINGS, f"/calls?clinic={clinic.id}")}

    phone.missed("u-0", CALLER)
    phone.text("Hello")
    make_client(db, clinic, "C0", "A name", numbers=[CALLER])
    settle(runtime)
    program.get("/clinics")
    short = ask()
    for each in range(1, 8):
        phone.missed(f"u-{each}", f"+1212555{160 + each:04}")
        phone.text("Hello", client=f"+1212555{170 + each:04}")
        make_client(db, clinic, f"C{each}", "A name", numbers=[f"+1212555{180 + each:04}"])
    settle(runtime)

    assert ask() == short


def test_it_may_be_left_out_and_mounted_elsewhere(runtime, issue, clinic):
    without, mounted = Flask("without"), Flask("mounted")
    Ringnote(without, api=False, runtime=runtime)
    Ringnote(mounted, url_prefix="/phones", runtime=runtime)
    headers = issue().headers

    assert without.test_client().get("/ringnote/api/v1/clinics").status_code == 404
    answer = mounted.test_client().get("/phones/api/v1/clinics", headers=headers)
    assert answer.json["items"][0]["id"] == clinic.id
    document = mounted.test_client().get("/phones/api/v1/openapi.json").json
    assert document["servers"] == [{"url": "/phones/api/v1"}]


def test_without_a_key_that_all_machines_share_it_is_not_mounted():
    settings = load_settings({"database_url": "postgresql://nobody@127.0.0.1:9/none"}, environ={})

    with pytest.raises(ConfigError, match="RINGNOTE_SECRET_KEY"):
        Ringnote(Flask("host"), console=False, runtime=Runtime.from_settings(settings))

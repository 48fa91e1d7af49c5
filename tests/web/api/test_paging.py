"""Pages of the API's listings, and their cursors."""

import sqlalchemy as sa

from factories import make_client, make_clinic
from programs import LISTINGS, ids, read_all
from stories import CALLER, Phone, settle


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

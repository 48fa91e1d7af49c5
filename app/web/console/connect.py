"""The console's form that connects a clinic to its PMS, made of what the connector asks for.

It does what `ringnote connect` does. What is secret is never shown again, not even after an error.
"""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...connectors import CONNECTORS, find_connector
from ...connectors.base import Connector, Setting, SettingType
from ...connectors.setting import named
from ...delivery.account_settings import get_connector
from ...delivery.connecting import Asking, Wanted, connect, read_since
from ...delivery.connections import find_connection
from ...errors import ConfigError, InputError
from ...models import Clinic, Connection, Role, WhenInDoubt
from ..access import needs, who
from .connection import clinic_of, runtime_of, show_connection
from .pages import BIGGEST_ID_DIGITS, console

SIGN_IN_SECONDS = 10.0
"""So long the page waits for the PMS, at most."""
FIELD = "set-"
"""Before the name of a setting in the form."""
LONGEST_FILE = 512 * 1024
"""Bytes."""
DOUBTS = {
    WhenInDoubt.ASK: "Ask a person",
    WhenInDoubt.RETRY: "Send it again, perhaps twice",
}


@console.get("/connection/connect")
@needs(Role.ADMIN)
def choose_pms() -> ResponseReturnValue:
    """Which PMS it is; then the form of what its connector asks for."""
    clinic = clinic_of(request.args)
    name = request.args.get("connector", "")
    former = _former(clinic)
    if not name:
        return render_template(
            "ringnote/console/choose_pms.html",
            here="clients",
            clinic=clinic,
            connectors=CONNECTORS,
            package_of=CONNECTORS.package_of,
            former=former,
        )
    get_connector(name)
    is_same = former is not None and former.connector == name
    given = dict(former.settings) if former and is_same else {}
    since = former.since if former and is_same else None
    return _form(
        clinic,
        name,
        given,
        {
            "seen": former.id if former else 0,
            "watch_only": bool(former and is_same and former.is_watch_only),
            "since": f"{since.astimezone(ZoneInfo(clinic.timezone)):%Y-%m-%d}" if since else "",
            "when_in_doubt": (former and is_same and former.when_in_doubt) or WhenInDoubt.ASK,
        },
    )


@console.post("/connection/connect")
@needs(Role.ADMIN)
def connect_pms() -> ResponseReturnValue:
    """Connect the clinic as the form says; or show it again with what is wrong."""
    clinic, runtime = clinic_of(request.form), runtime_of()
    name = request.form.get("connector", "")
    get_connector(name)
    given, how = _given(), _how()
    kind = find_connector(name, given)
    asked = request.form.get("asked", "").split()
    if kind and not {each.name for each in kind.settings} <= set(asked):
        # Only the description, which is there by now, says what else there is to ask for.
        return _form(clinic, name, given, how)
    secrets = {
        each.name: request.form.get(FIELD + each.name, "")
        for each in (kind or CONNECTORS[name]).settings
        if each.is_secret
    }
    try:
        wanted = Wanted(
            name,
            {each: value for each, value in given.items() if each not in secrets},
            {each: value for each, value in secrets.items() if value.strip()},
            is_watch_only=how["watch_only"],
            since=read_since(how["since"], clinic.timezone) if how["since"] else None,
            when_in_doubt=how["when_in_doubt"],
        )
        asking = Asking(who().name, lambda _: "", "Give a day since when to write", how["seen"])
        http = runtime.http.within(SIGN_IN_SECONDS)
        _, trouble = connect(runtime, http, clinic.id, wanted, asking)
    except (ConfigError, InputError) as error:
        faults = error.faults if isinstance(error, ConfigError) else (str(error),)
        return _form(clinic, name, given, how, faults), 400
    runtime.waker.notify()
    if trouble:
        return show_connection(clinic, trouble=f"signing in failed just now: {trouble}")
    return redirect(url_for(".connection", clinic=clinic.id, done="connected"))


def _form(
    clinic: Clinic,
    name: str,
    given: Mapping[str, str],
    how: Mapping[str, Any],
    faults: tuple[str, ...] = (),
) -> str:
    kind: type[Connector] = find_connector(name, given) or CONNECTORS[name]
    known = {each.name for each in kind.settings}
    own = {each: [fault for fault in faults if named(fault) == each] for each in known}
    return render_template(
        "ringnote/console/connect.html",
        here="clients",
        clinic=clinic,
        connector=name,
        title=kind.title,
        package=CONNECTORS.package_of(name),
        fields=[_field(each, given, own[each.name]) for each in kind.settings],
        asked=" ".join(each.name for each in kind.settings),
        has_more=any(each.type is SettingType.FILE for each in kind.settings)
        and len(kind.settings) == 1,
        how=how,
        doubts=DOUBTS,
        faults=[each for each in faults if named(each) not in known],
        has_faults=bool(faults),
    )


def _field(each: Setting, given: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    value = "" if each.is_secret else given.get(each.name, "") or each.default
    faults = [each.label + fault.removeprefix(each.name) for fault in faults]
    return {
        "setting": each,
        "kind": each.type.name,
        "value": value,
        "faults": faults,
        "is_needed": each.is_required and not each.default,
        "is_told": bool(faults) or value != each.default,
    }


def _given() -> dict[str, str]:
    """The settings of the form by name, without its secrets; a file that is uploaded counts as
    written."""
    name = request.form.get("connector", "")
    given = {
        each: request.form.get(FIELD + each, "") for each in request.form.get("asked", "").split()
    }
    for each in CONNECTORS[name].settings:
        upload = request.files.get(f"upload-{each.name}")
        if each.type is SettingType.FILE and upload and upload.filename:
            try:
                given[each.name] = upload.stream.read(LONGEST_FILE).decode("utf-8-sig")
            except UnicodeDecodeError:
                raise InputError(f"The file of {each.name} is not text.") from None
    kind = find_connector(name, given) or CONNECTORS[name]
    hidden = {each.name for each in kind.settings if each.is_secret}
    known = {each.name for each in kind.settings}
    return {each: value for each, value in given.items() if each in known - hidden}


def _how() -> dict[str, Any]:
    doubt, seen = request.form.get("when_in_doubt", ""), request.form.get("seen", "")
    if not (seen.isascii() and seen.isdecimal()) or len(seen) > BIGGEST_ID_DIGITS:
        raise InputError("Open the form again, from the clinic's page.")
    return {
        "watch_only": bool(request.form.get("watch_only")),
        "since": request.form.get("since", "").strip(),
        "when_in_doubt": WhenInDoubt(doubt) if doubt in list(WhenInDoubt) else WhenInDoubt.ASK,
        "seen": int(seen),
    }


def _former(clinic: Clinic) -> Connection | None:
    with runtime_of().db.reading() as session:
        return find_connection(session, clinic.id)

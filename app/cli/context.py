"""What every command needs: the runtime it works on, and the clinic that was named."""

import getpass
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import schema
from ..errors import InputError
from ..models import Clinic
from ..runtime import Runtime
from ..settings import load_settings

RUNTIME = "ringnote.runtime"
"""Where a run of a command keeps its runtime, in click's `meta`."""
HOST = "ringnote.host"
"""Where it says how to find the runtime of the application that mounted Ringnote, if one did."""
PREFIX = "ringnote.prefix"
"""Where it says below which path of that application Ringnote stands."""
LOCAL_URL = "http://127.0.0.1:8000"

P = ParamSpec("P")
R = TypeVar("R")


def pass_runtime(command: Callable[Concatenate[Runtime, P], R]) -> Callable[P, R]:
    """Hand the command a Runtime whose database is at this version's schema."""

    def with_runtime(*args: P.args, **kwargs: P.kwargs) -> R:
        runtime = find_runtime(click.get_current_context())
        schema.check(runtime.db)
        return command(runtime, *args, **kwargs)

    with_runtime.__doc__ = command.__doc__
    with_runtime.__name__ = getattr(command, "__name__", "command")
    if hasattr(command, "__click_params__"):
        with_runtime.__click_params__ = command.__click_params__  # type: ignore[attr-defined]
    return with_runtime


def find_runtime(context: click.Context) -> Runtime:
    """The runtime of this run of the command: the host's, else one from the environment."""
    runtime = context.find_object(Runtime) or context.meta.get(RUNTIME)
    if runtime is None:
        find = context.meta.get(HOST, _of_environment)
        runtime = context.meta[RUNTIME] = find()
        context.find_root().call_on_close(runtime.close)
    return runtime


def is_hosted(context: click.Context) -> bool:
    """Whether this run is of `flask ringnote`, in the application that mounted it."""
    return HOST in context.meta


def local_url(context: click.Context) -> str:
    """Where Ringnote is on this machine if nobody changed that: what to write where no address is
    set, with the path that an application mounted it below."""
    return LOCAL_URL + str(context.meta.get(PREFIX, ""))


def _of_environment() -> Runtime:
    return Runtime.from_settings(load_settings())


def who() -> str:
    """Who is at this machine, for what people decide."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def find_clinic_id(session: Session, named: str | None) -> int | None:
    """The id of the clinic that was named, if one was. Raises InputError as `get_clinic` does."""
    return None if named is None else get_clinic(session, named).id


def find_clinics(session: Session, named: str | None) -> frozenset[int] | None:
    """The ids that a listing is of: the named clinic's, or None for all there are."""
    return None if named is None else frozenset({get_clinic(session, named).id})


def get_clinic(session: Session, named: str) -> Clinic:
    """The clinic with this id or name, in any case. Raises InputError, naming those there are."""
    if named.isdecimal() and len(named) < 19 and (clinic := session.get(Clinic, int(named))):
        return clinic
    query = sa.select(Clinic).where(sa.func.lower(Clinic.name) == named.lower())
    if clinic := session.scalars(query).first():
        return clinic
    names = session.scalars(sa.select(Clinic.name).order_by(Clinic.name).limit(10)).all()
    known = f"there are: {', '.join(names)}" if names else "there is none yet; see clinic add"
    raise InputError(f"No clinic is called {named!r} or has that id; {known}.")

"""Where Ringnote is mounted: the portal's users, its database, and what it does with signals."""

import sqlalchemy as sa
from flask import Flask
from flask_login import current_user

import ringnote
from ringnote.signals import entry_set_aside, entry_written, number_unmatched

from .tables import news


def mount(app: Flask, engine: sa.Engine) -> None:
    """Put Ringnote under /ringnote, and its news on the portal's page."""
    ringnote.Ringnote(app, current_user=who, engine=engine, data_dir=app.config["PORTAL_DATA_DIR"])

    def keep(clinic_id: int, text: str) -> None:
        with engine.begin() as connection:
            connection.execute(news.insert().values(clinic_id=clinic_id, text=text))

    def on_written(clinic_id: int, /, *, kind: str, entry_id: int, **_: object) -> None:
        keep(clinic_id, f"A {kind} stands on a client's record (entry {entry_id}).")

    def on_set_aside(clinic_id: int, /, *, kind: str, entry_id: int, **_: object) -> None:
        keep(clinic_id, f"A {kind} was refused; somebody must look (entry {entry_id}).")

    def on_unmatched(clinic_id: int, /, **_: object) -> None:
        keep(clinic_id, "Somebody called or wrote whose number no one client has.")

    # Held fast (weak=False): nothing else refers to these functions once this one has returned.
    entry_written.connect(on_written, weak=False)
    entry_set_aside.connect(on_set_aside, weak=False)
    number_unmatched.connect(on_unmatched, weak=False)


def who() -> ringnote.Identity | None:
    """The portal's user, as Ringnote knows them."""
    if not current_user.is_authenticated:
        return None
    return ringnote.person(current_user.id, current_user.role, current_user.clinics)

"""Clinics: added with the first version of their policy, and changed. Commands call it.

What a person typed is read here, and every fault of it is told at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import InputError
from ..models import Clinic, Policy
from ..telephony.parse import read_tenant
from .hours import find_timezone_fault
from .rules import DEFAULT_RULES

LONGEST = 200
WRONG_REGIONS = {"UK": "GB", "EN": "GB", "USA": "US"}
"""What people write for a country whose ISO code is another."""


@dataclass(frozen=True, slots=True)
class ClinicFields:
    """What is said of a clinic. `read` gives it as it is kept; tenant '' is the default one."""

    name: str
    container_id: str
    tenant_id: str
    timezone: str
    region: str


def add_clinic(session: Session, fields: ClinicFields, now: datetime, by: str) -> Clinic:
    """A new clinic with the default policy. Raises InputError with every fault. Does not commit."""
    fields = _read(session, fields, None)
    clinic = Clinic(
        name=fields.name,
        container_id=fields.container_id,
        tenant_id=fields.tenant_id,
        timezone=fields.timezone,
        region=fields.region,
        created_at=now,
    )
    session.add(clinic)
    session.flush()
    session.add(
        Policy(clinic_id=clinic.id, version=1, rules=DEFAULT_RULES, created_at=now, created_by=by)
    )
    return clinic


def change_clinic(session: Session, clinic: Clinic, changes: dict[str, str]) -> None:
    """Change some of its fields, by their names. Raises InputError as `add_clinic`. No commit."""
    fields = ClinicFields(
        clinic.name, clinic.container_id, clinic.tenant_id, clinic.timezone, clinic.region
    )
    read = _read(session, replace(fields, **changes), clinic.id)
    for name in changes:
        setattr(clinic, name, getattr(read, name))
    session.flush()


def _read(session: Session, fields: ClinicFields, own_id: int | None) -> ClinicFields:
    read = ClinicFields(
        name=" ".join(fields.name.split()),
        container_id=fields.container_id.strip(),
        tenant_id=read_tenant(fields.tenant_id),
        timezone=fields.timezone.strip(),
        region=fields.region.strip().upper(),
    )
    faults = [*_faults_of_words(read), *_faults_of_others(session, read, own_id)]
    if faults:
        raise InputError("\n".join(faults))
    return read


def _faults_of_words(fields: ClinicFields) -> Iterator[str]:
    if not fields.name or len(fields.name) > LONGEST or not fields.name.isprintable():
        yield f"A clinic's name has 1 to {LONGEST} characters."
    elif fields.name.isdigit():
        yield "A clinic's name must not be digits alone, which would be taken for an id."
    if (
        not fields.container_id
        or not fields.container_id.isalnum()
        or len(fields.container_id) > 64
    ):
        yield "The container is the phone system's containerId, commonly 6 digits."
    if fault := find_timezone_fault(fields.timezone):
        yield fault
    if fields.region not in phonenumbers.SUPPORTED_REGIONS:
        meant = WRONG_REGIONS.get(fields.region)
        hint = f"did you mean {meant}?" if meant else "write two letters, such as US, CA or GB."
        yield f"{fields.region!r} is no region with phone numbers of its own; {hint}"


def _faults_of_others(session: Session, fields: ClinicFields, own_id: int | None) -> Iterator[str]:
    others = sa.select(Clinic)
    if own_id is not None:
        others = others.where(Clinic.id != own_id)
    same_name = others.where(sa.func.lower(Clinic.name) == fields.name.lower())
    if other := session.scalars(same_name).first():
        yield f"A clinic is called {other.name!r} already (id {other.id})."
    same_place = others.where(
        Clinic.container_id == fields.container_id, Clinic.tenant_id == fields.tenant_id
    )
    if other := session.scalars(same_place).first():
        tenant = f"tenant {fields.tenant_id}" if fields.tenant_id else "the default tenant"
        yield (
            f"Container {fields.container_id} with {tenant} is clinic {other.name!r} already"
            f" (id {other.id})."
        )

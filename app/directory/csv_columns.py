"""Which column of a client list is what: guessed from its headings, or as a person named them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError

ID_NAMES = (
    "externalid",
    "clientid",
    "customerid",
    "ownerid",
    "contactid",
    "accountid",
    "clientnumber",
    "clientno",
    "clientnum",
    "clientcode",
    "clientref",
    "customernumber",
    "customerno",
    "customercode",
    "ownernumber",
    "ownerno",
    "ownercode",
    "accountnumber",
    "accountno",
    "accountnum",
    "accountcode",
    "account",
    "acct",
    "acctno",
    "pmsid",
    "id",
    "uuid",
    "guid",
    "code",
    "client",
)
"""Headings that hold the PMS's id of a client, the surest first, without spaces and signs."""
NAME_NAMES = (
    "name",
    "fullname",
    "clientname",
    "customername",
    "ownername",
    "contactname",
    "accountname",
    "displayname",
    "client",
    "owner",
    "customer",
)
FIRST_NAMES = ("firstname", "first", "givenname", "forename", "clientfirstname", "ownerfirstname")
LAST_NAMES = ("lastname", "last", "surname", "familyname", "clientlastname", "ownerlastname")
PATIENT_NAMES = (
    *("patient", "patients", "patientname", "patientnames", "pet", "pets", "petname", "petnames"),
    *("animal", "animals", "animalname"),
)
PHONE_WORDS = {
    *("phone", "phones", "telephone", "tel", "mobile", "mobiles", "cell", "cellular", "cellphone"),
    *("home", "work", "number", "numbers", "landline", "daytime", "evening", "sms", "handy"),
}
NO_PHONE_WORDS = {
    *(
        "address",
        "street",
        "city",
        "town",
        "zip",
        "postcode",
        "postal",
        "state",
        "country",
        "email",
    ),
    *("mail", "house", "chip", "microchip", "tag", "license", "licence", "invoice", "account"),
    *("client", "patient", "pet", "animal", "rabies", "type", "label", "ext", "extension", "count"),
    *("notes", "consent", "fax", "of", "opt", "ok", "order", "id", "name", "preferred", "date"),
}


PARTS = ("id", "name", "first", "last", "phones", "patients")
"""What columns hold, as a mapping names it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row each thing stands; -1 and () where it does not."""

    headings: tuple[str, ...]
    id: int
    phones: tuple[int, ...]
    name: int = -1
    first: int = -1
    last: int = -1
    patients: tuple[int, ...] = ()

    def described(self) -> dict[str, list[str]]:
        """Which heading was taken for what, to be shown to a person."""
        names = [index for index in (self.name, self.first, self.last) if index >= 0]
        parts = {
            "id": [self.id],
            "name": names,
            "phones": self.phones,
            "patients": self.patients,
        }
        return {what: [self.headings[index] for index in found] for what, found in parts.items()}


def find_columns(
    headings: Sequence[str], mapping: Mapping[str, str | Sequence[str]] | None = None
) -> Columns:
    """The columns as `guess_columns` takes them. Raises InputError, naming the columns found, also
    if there is none for ids or for numbers."""
    columns = guess_columns(headings, mapping)
    _require(columns.headings, columns.id, columns.phones)
    return columns


def guess_columns(
    headings: Sequence[str], mapping: Mapping[str, str | Sequence[str]] | None = None
) -> Columns:
    """Guess the columns, as far as that can be done; `mapping` names headings outright.

    Its keys are those of PARTS; 'phones' and 'patients' take several headings, and an empty list
    says that there is none. Raises InputError if there are no headings, or if one that was named is
    not there.
    """
    shown = tuple(heading.strip() for heading in headings)
    if any(_is_data(heading) for heading in shown):
        raise InputError("The first row should name the columns; it looks like a client's row.")
    plain = [re.sub(r"[\W_]+", "", heading).lower() for heading in shown]
    named = {what: _named(shown, value) for what, value in (mapping or {}).items()}

    def one(what: str, guess: Callable[[], int]) -> int:
        return next(iter(named[what]), -1) if what in named else guess()

    id_ = one("id", lambda: _guess_id(plain))
    name = one("name", lambda: _first(plain, NAME_NAMES, but=id_))
    first = one("first", lambda: _first(plain, FIRST_NAMES, but=id_))
    last = one("last", lambda: _first(plain, LAST_NAMES, but=id_))
    if first >= 0 and last >= 0 and "name" not in named:
        name = -1
    patients = named.get("patients")
    if patients is None:
        patients = [i for i, text in enumerate(plain) if text in PATIENT_NAMES]
    taken = {id_, name, first, last, *patients}
    phones = named.get("phones") or [
        i for i, text in enumerate(shown) if i not in taken and _says_phone(text)
    ]
    return Columns(shown, id_, tuple(phones), name, first, last, tuple(patients))


def _guess_id(plain: Sequence[str]) -> int:
    found = _first(plain, ID_NAMES)
    # "Client" alone is its id only where another column has the name.
    if found >= 0 and plain[found] == "client":
        others = set(plain) & {*NAME_NAMES, *LAST_NAMES} - {"client"}
        return found if others else -1
    return found


def _first(plain: Sequence[str], names: Sequence[str], but: int = -1) -> int:
    for name in names:
        for index, heading in enumerate(plain):
            if heading == name and index != but:
                return index
    return -1


def _says_phone(heading: str) -> bool:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading)
    words = {word.rstrip("0123456789") for word in re.findall(r"[^\W_]+", parted.lower())}
    if "phone" in heading.lower():
        return not words & (NO_PHONE_WORDS - {"client", "account", "preferred"})
    return bool(words & PHONE_WORDS) and not words & NO_PHONE_WORDS


def _named(shown: Sequence[str], value: str | Sequence[str]) -> list[int]:
    """The places of the headings named; one that is named as often as it stands there, all its."""
    places: dict[str, list[int]] = {}
    for index, heading in enumerate(shown):
        places.setdefault(heading.lower(), []).append(index)
    found: list[int] = []
    for heading in [value] if isinstance(value, str) else value:
        if heading.strip().lower() not in places:
            raise InputError(f"There is no column {heading!r}. {_found(shown)}")
        left = [place for place in places[heading.strip().lower()] if place not in found]
        found += left[:1]
    return found


def _require(shown: Sequence[str], id_: int, phones: Sequence[int]) -> None:
    if id_ < 0:
        raise InputError(
            "No column holds the client's id in the PMS: one should be called id, client id,"
            f" account number or the like, or be named: --column id=HEADING. {_found(shown)}"
        )
    if not phones:
        raise InputError(
            "No column holds phone numbers: one should be called phone, mobile, home, work or the"
            f" like, or be named: --column phone=HEADING. {_found(shown)}"
        )


def _is_data(heading: str) -> bool:
    return "@" in heading or sum(sign.isdigit() for sign in heading) >= 7


def _found(shown: Sequence[str]) -> str:
    listed = ", ".join(heading[:40] or "(blank)" for heading in shown[:30])
    return f"The columns of the file are: {listed}."

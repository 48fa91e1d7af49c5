"""Invented clients of an invented clinic: names, animals and numbers nobody has.

Every number is 555-01xx, which is set aside for fiction, under the area codes of several cities.
"""

import random
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .clients import TAIL_DIGITS, spelled

GIVEN = (
    "Ada Amir Beatriz Ben Carmen Chloé Dana Dmitri Elif Emeka Fatima Felix Grace Hana Hugo Ines"
    " Ivan Jana Kaya Keiko Lars Leila Liam Maeve Mateo Mina Nadia Noah Olga Omar Priya Quinn Rosa"
    " José Ruth Sven Tara Tomás Uma Viktor Wanda Xavier Yara Zoë"
)
FAMILY = (
    "Abbott Alvarez Bauer Begum Castellanos Chen Dubois Duarte Eriksen Fischer Garcia Haddad Ito"
    " Jensen Kaur Kowalski Lindqvist Moreau Müller Nakamura Nguyen O'Brien Okafor Owusu Park Petrov"
    " Quispe Rahman Rossi Santos Schmidt Silva Smith Tanaka Thompson Ueda Varga Walsh Yilmaz Zhang"
)
ANIMALS = (
    "Biscuit Bean Clover Daisy Echo Fig Ginger Hazel Iggy Juno Kiwi Luna Mango Nori Otis Pepper"
    " Pickle Rufus Sesame Tofu Waffle Willow Ziggy Möhre"
)
AREAS = (212, 312, 415, 503, 617, 646, 713, 808, 917)
LABELS = ("mobile", "home", "work", "")
PER_AREA = 100
STRANGERS = range(850, 899)
"""Numbers, by their index, that no invented client has."""
OWN_LINE = "+19175550199"
"""The invented clinic's own, the last number there is."""
CALLER_NAME_LENGTH = 15


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a phone: E.164 number, the network's name for it, and an animal to speak of."""

    number: str
    name: str = ""
    animal: str = "Biscuit"


def invent_number(index: int) -> str:
    """The `index`th invented number, E.164; they repeat after 900."""
    area = AREAS[index // PER_AREA % len(AREAS)]
    return f"+1{area}55501{index % PER_AREA:02d}"


def spell(number: str, how: int) -> str:
    """A +1 number in one of the spellings that front desks use."""
    area, local, last = number[2:5], number[5:8], number[8:]
    spellings = (
        f"({area}) {local}-{last}",
        f"{area}-{local}-{last}",
        f"+1 {area} {local} {last}",
        f"{area}.{local}.{last}",
        f"1{area}{local}{last}",
        number,
        f"{area} {local} {last}",
        f"{area}{local}{last}",
    )
    return spellings[how % len(spellings)]


def invent_clients(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """`count` clients in the shape of the sandbox PMS's API; the same for the same seed.

    Every seventh has two numbers; the second and the third share one, as a couple would.
    At most 800, so that there are numbers left for strangers.
    """
    dice = random.Random(seed)
    count = min(count, 800)
    clients: list[dict[str, Any]] = []
    for index in range(count):
        shared = 1 if index == 2 else index
        numbers = [(invent_number(shared), dice.choice(LABELS))]
        if index % 7 == 6:
            # The first of the two is theirs alone too: the last area code is kept for second ones.
            numbers.append((f"+1929555{100 + index // 7 % 100:04d}", "work"))
        clients.append(
            {
                "name": f"{dice.choice(GIVEN.split())} {dice.choice(FAMILY.split())}",
                "phones": [
                    {"number": spell(number, dice.randrange(8)), "label": label}
                    for number, label in numbers
                ],
                "patients": [
                    {"name": name}
                    for name in dice.sample(ANIMALS.split(), dice.choice((1, 1, 1, 2, 2, 3)))
                ],
            }
        )
    if count > 2:
        _make_a_couple(clients[1], clients[2])
    return clients


def callers_among(clients: Iterable[Mapping[str, Any]]) -> tuple[list[Caller], Caller | None]:
    """Who calls, of clients as `invent_clients` makes them: those alone on their first number, and
    the first who share theirs with another client."""
    known = [(_first_number(client), client) for client in clients if client["phones"]]
    counts = Counter(number for number, _ in known)
    callers = [
        Caller(number, caller_name(client["name"]), client["patients"][0]["name"])
        for number, client in known
    ]
    couple = next((caller for caller in callers if counts[caller.number] > 1), None)
    return [caller for caller in callers if counts[caller.number] == 1], couple


def caller_name(name: str) -> str:
    """A name as the phone network tells it: family name first, capitals, no accents, cut off."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    given, _, family = plain.rpartition(" ")
    return f"{family} {given}".strip()[:CALLER_NAME_LENGTH]


def _first_number(client: Mapping[str, Any]) -> str:
    return f"+1{spelled(client['phones'][0]['number'])[0][-TAIL_DIGITS:]}"


def _make_a_couple(one: dict[str, Any], other: dict[str, Any]) -> None:
    given, family = one["name"].split(" ", 1)
    other["name"] = f"{next(name for name in GIVEN.split() if name != given)} {family}"
    other["patients"] = one["patients"]

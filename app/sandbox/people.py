"""Invented clients of an invented clinic: names, animals and numbers nobody has.

Every number is 555-01xx, which is set aside for fiction, under the area codes of several cities.
"""

import random
from typing import Any

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


def _make_a_couple(one: dict[str, Any], other: dict[str, Any]) -> None:
    given, family = one["name"].split(" ", 1)
    other["name"] = f"{next(name for name in GIVEN.split() if name != given)} {family}"
    other["patients"] = one["patients"]

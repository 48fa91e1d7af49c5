"""What a PMS told of a client, made fit to be kept: garbage is cut, what has no id refused. Pure.

Storing clients calls it.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from ..connectors.base import Phone, PmsClient

LONGEST_ID = 200
LONGEST_NAME = 500
LONGEST_FIELD = 1000
MOST_PHONES = 50
MOST_PATIENTS = 100
UNKEPT = re.compile("[\x00\ud800-\udfff]")
"""What no database takes as text: NUL, and halves of a surrogate pair."""


def fit_clients(clients: Iterable[PmsClient]) -> list[PmsClient]:
    """Those that can be kept, as they can be kept; one without a usable id is left out."""
    return [_fit(client) for client in clients if _is_id(client.id)]


def _is_id(text: str) -> bool:
    return bool(text.strip()) and len(text) <= LONGEST_ID and not UNKEPT.search(text)


def _fit(client: PmsClient) -> PmsClient:
    merged_into = client.merged_into
    if merged_into is not None and (not _is_id(merged_into) or merged_into == client.id):
        merged_into = None
    return replace(
        client,
        name=_cut(client.name, LONGEST_NAME),
        phones=tuple(
            Phone(_cut(phone.number, LONGEST_FIELD), _cut(phone.label, LONGEST_NAME))
            for phone in client.phones[:MOST_PHONES]
        ),
        patients=tuple(_cut(name, LONGEST_NAME) for name in client.patients[:MOST_PATIENTS]),
        merged_into=merged_into,
    )


def _cut(text: str, longest: int) -> str:
    return UNKEPT.sub("", text[:longest])

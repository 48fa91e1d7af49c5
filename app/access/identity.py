"""Who somebody is to Ringnote, and what that lets them do. Decided here and nowhere else. Pure."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from ..models import Role

RANK = {role: rank for rank, role in enumerate(Role)}


class Scope(enum.StrEnum):
    """What a program with an API token may read."""

    CALLS = "calls:read"
    """Calls and conversations, their texts among them."""
    ENTRIES = "entries:read"
    CLIENTS = "clients:read"
    """Clients, and whose a number is."""


ANY_SCOPE = frozenset(Scope)
"""What any token that opens something opens."""

Need = Role | Scope | frozenset[Scope]
"""A role, a scope, or one of several scopes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at the door: a person with a role, or a program with scopes.

    `clinics` are the ids of the clinics that are theirs, None for all there are. `name` is how
    others know them; it stands with what they decide.
    """

    name: str
    role: Role | None = None
    clinics: frozenset[int] | None = None
    scopes: frozenset[Scope] = frozenset()
    is_signed_in: bool = True
    """False for whoever sits at the machine while nobody could sign in."""

    def may(self, need: Need) -> bool:
        """Whether they may do what needs this role, or a scope of these, at a clinic of theirs."""
        if isinstance(need, frozenset):
            return not need.isdisjoint(self.scopes)
        if isinstance(need, Scope):
            return need in self.scopes
        return self.role is not None and RANK[self.role] >= RANK[need]

    def has_clinic(self, clinic_id: int) -> bool:
        return self.clinics is None or clinic_id in self.clinics


def person(name: str, role: str, clinics: Iterable[int] | None = None) -> Identity:
    """A person, as a host that keeps the door names them.

    `role` is 'viewer', 'operator' or 'admin'; `clinics` are ids, None for all. Raises ValueError
    for another role.
    """
    return Identity(name, Role(role), None if clinics is None else frozenset(clinics))

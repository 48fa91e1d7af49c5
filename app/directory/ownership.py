"""Whose a number is: decided by values alone, from what was looked up of it. Pure.

Each answer depends on the clients who have the number and on what people said of it, in no order,
and on nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .matching import Matching
from .names import likeness

PRIMARY_LABELS = frozenset({"primary", "main", "owner"})
"""Words in a number's label by which a PMS names the one of several that it is first of all."""
AS_DIRECTORY_SAYS = Matching()


@dataclass(frozen=True, slots=True)
class Decided:
    """Whom a number belongs to.

    `kind` is 'client' (then `client` is the PMS's id), 'several' (then `candidates` are),
    'none', 'withheld' or 'ignored'; `rule` says in words what decided. Of a 'client', `candidates`
    are the others to whose records it is written too. `by_rule` is the key of what a person said,
    where that decided.
    """

    kind: str
    client: str = ""
    candidates: tuple[str, ...] = ()
    rule: str = ""
    by_rule: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person said of the number: 'map', 'not', 'ignore', or 'pick' of one for one call.

    `stands_for` is the client that `client` is now, after merges; '' if it is gone.
    """

    kind: str
    by: str
    client: str = ""
    stands_for: str = ""
    why: str = ""
    key: int | None = None

    @property
    def in_words(self) -> str:
        """Who said it, and why if that was said."""
        return f"{self.by}: {self.why}" if self.why else self.by


@dataclass(frozen=True, slots=True)
class Owner:
    """A client that has the number: as E.164 (`is_exact`), or as a national number."""

    client: str
    stands_for: str
    is_exact: bool = True
    name: str = ""
    label: str = ""
    """What the PMS calls the number there."""
    seniority: int = 0
    """Less for who has been in the directory longer."""
    last_active: int = 0
    """More for whose call or text was the later; 0 for none."""
    changed_at: datetime | None = None
    """When the record was last changed, as far as the directory knows."""


def decide(
    rulings: Sequence[Ruling],
    owners: Iterable[Owner],
    matching: Matching = AS_DIRECTORY_SAYS,
    caller_name: str = "",
) -> Decided:
    """Decide from the rulings in force, newest first, and the owners in any order."""
    denied: set[str] = set()
    for ruling in rulings:
        if ruling.kind == "ignore":
            return Decided("ignored", rule=f"ignored by {ruling.in_words}", by_rule=ruling.key)
        if ruling.kind == "not":
            denied.add(ruling.client)
        elif ruling.kind == "map" and _is_left(ruling, denied):
            words = f"mapped by {ruling.in_words}"
            return Decided("client", ruling.stands_for, rule=words, by_rule=ruling.key)
    left = [owner for owner in owners if _is_left(owner, denied)]
    exact = [owner for owner in left if owner.is_exact]
    what = "this number" if exact else "this number without a country code"
    picks = [each for each in rulings if each.kind == "pick" and _is_left(each, denied)]
    return _among(exact or left, what, picks, matching, caller_name)


def _is_left(named: Ruling | Owner, denied: set[str]) -> bool:
    return bool(named.stands_for) and not denied & {named.client, named.stands_for}


def _among(
    owners: Sequence[Owner],
    what: str,
    picks: Sequence[Ruling],
    matching: Matching,
    caller_name: str,
) -> Decided:
    clients = {owner.stands_for for owner in owners}
    if len(clients) == 1:
        return Decided("client", min(clients), rule=f"one client has {what}")
    picks = [pick for pick in picks if not clients or pick.stands_for in clients]
    picked = {pick.stands_for for pick in picks}
    if len(picked) == 1:
        words = f"remembered, as picked by {picks[0].in_words}"
        return Decided("client", min(picked), rule=words, by_rule=picks[0].key)
    count = f"{len(clients)} clients share {what}" if clients else "no client has this number"
    if picked:
        words = f"{count}, and people picked now the one, now another"
        return Decided("several", candidates=tuple(sorted(clients or picked)), rule=words)
    if not clients:
        return Decided("none", rule=count)
    return _shared(owners, what, matching, caller_name)


def _shared(owners: Sequence[Owner], what: str, matching: Matching, caller_name: str) -> Decided:
    """Of several clients, as the clinic has it."""
    clients = sorted({owner.stands_for for owner in owners})
    those = f"{len(clients)} clients who share {what}"
    if matching.by_name and (named := _find_named(owners, matching, caller_name)):
        return Decided("client", named, rule=f"of {those}, the one with the name that was shown")
    if matching.shared == "ask":
        rule = f"{len(clients)} clients share {what}"
        return Decided("several", candidates=tuple(clients), rule=rule)
    if matching.shared == "most_recently_active":
        client, why = _most_recently_active(owners)
        return Decided("client", client, rule=f"of {those}, the most recently active ({why})")
    primary, why = _primary(owners)
    if matching.shared == "primary":
        return Decided("client", primary, rule=f"of {those}, the primary one ({why})")
    others = tuple(each for each in clients if each != primary)
    return Decided("client", primary, others, f"all {those}; tasks go to the primary one ({why})")


def _find_named(owners: Sequence[Owner], matching: Matching, caller_name: str) -> str:
    """The client whose name is clearly the caller's, else ''."""
    scores: dict[str, int] = {}
    for owner in owners:
        score = likeness(caller_name, owner.name)
        scores[owner.stands_for] = max(score, scores.get(owner.stands_for, 0))
    (best, client), (next_best, _) = sorted(
        ((score, client) for client, score in scores.items()), reverse=True
    )[:2]
    is_clear = best >= matching.name_score and best - next_best >= matching.name_lead
    return client if is_clear else ""


def _primary(owners: Sequence[Owner]) -> tuple[str, str]:
    labelled = [each for each in owners if PRIMARY_LABELS & set(each.label.casefold().split())]
    if len({each.stands_for for each in labelled}) == 1:
        return labelled[0].stands_for, "the PMS labels the number so"
    first = min(labelled or owners, key=lambda each: (each.seniority, each.stands_for))
    return first.stands_for, "the longest in the directory"


def _most_recently_active(owners: Sequence[Owner]) -> tuple[str, str]:
    latest = max(owner.last_active for owner in owners)
    if latest:
        heard = [owner.stands_for for owner in owners if owner.last_active == latest]
        return min(heard), "by the latest call or text"
    changed = [owner.changed_at for owner in owners if owner.changed_at]
    newest = [owner for owner in owners if changed and owner.changed_at == max(changed)]
    if len({owner.stands_for for owner in newest}) == 1:
        return newest[0].stands_for, "no call or text yet; by the latest change of the record"
    client, why = _primary(newest or owners)
    return client, f"no call or text yet; {why}"

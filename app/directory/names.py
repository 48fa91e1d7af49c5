"""How alike a caller's shown name and a client's name are. Pure; matching, suggestions ask it."""

import re
import unicodedata
from collections.abc import Mapping

from rapidfuzz import fuzz

CUT_AT = 15
"""Characters that a phone network carries of a name; what is this long may have been cut."""
NOBODY = re.compile(
    "anonymous|call|caller|cell|cellular|free|id|incoming|mobile|name|no|number|outgoing|phone"
    "|private|restricted|toll|unavailable|unknown|wireless|withheld"
)
"""Words that networks put where there is no name."""


def likeness(caller_name: str, client_name: str) -> int:
    """How alike they are, from 0 to 100, whatever the case, accents and order of the words.

    A surname alone is never wholly alike to a full name. 0 where no caller's name was shown.
    """
    shown, known = words_of(caller_name), words_of(client_name)
    if not is_name(caller_name) or not known:
        return 0
    whole = fuzz.token_set_ratio if min(len(shown), len(known)) > 1 else fuzz.token_sort_ratio
    score = whole(" ".join(shown), " ".join(known))
    if len(caller_name.strip()) >= CUT_AT:
        score = max(score, _likeness_of_cut(shown, known))
    return round(score)


def is_name(caller_name: str) -> bool:
    """Whether what a network shows can be somebody's name: 'WIRELESS CALLER' is not."""
    words = words_of(caller_name)
    return any(word.isalpha() and len(word) > 1 and not NOBODY.fullmatch(word) for word in words)


def rank(caller_name: str, names: Mapping[str, str]) -> list[tuple[str, int]]:
    """Clients by id, the one whose name is most like the caller's first, with how alike it is."""
    scores = {client: likeness(caller_name, name) for client, name in names.items()}
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def words_of(name: str) -> list[str]:
    """The words of a name, without case, accents and marks."""
    plain = unicodedata.normalize("NFKD", name)
    kept = "".join(each for each in plain if not unicodedata.combining(each)).casefold()
    kept = re.sub(r"\[\w{1,3}\]", " ", kept)
    return re.sub(r"['’]", "", re.sub(r"[^\w'’]+|_", " ", kept)).split()


def _likeness_of_cut(shown: list[str], known: list[str]) -> float:
    seen = " ".join(shown)
    turns = (" ".join(known[-turn:] + known[:-turn]) for turn in range(len(known)))
    return max(fuzz.ratio(seen, each[: len(seen)]) for each in turns)

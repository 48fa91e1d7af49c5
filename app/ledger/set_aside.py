"""What a person is told of an entry that is set aside: what the PMS said, and what can be done.

Pure. What it said is taken from the tries that are kept, and told on pages and by commands alone:
it may quote a client, and so stands in no reason, log or signal.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TELLING = frozenset(
    {"message", "messages", "msg", "error", "errors", "error_description", "detail", "details"}
    | {"description", "diagnostics", "reason", "title", "text", "summary"}
)
"""What fields are called in which a PMS says what is wrong."""
LISTS = frozenset({"message", "messages", "error", "errors", "detail", "details"})
"""What lists of them are called, which are then of no field."""
LONGEST = 300
"""Characters of what it said."""
LIKE_MARKUP = re.compile(r"\s*<[a-z!?]", re.IGNORECASE)
LIKE_TOO_LONG = re.compile(
    r"too (long|large)|max(imum)?[ _-]?length|at most \d+ char|longer than|exceeds", re.IGNORECASE
)
LEFT = "left it, as the PMS refuses it"
"""The end of the reason of an entry that a person left: it begins with who."""
LEAVE = "What need not stand there may be left: nothing else waits for it."
GONE = (
    "The PMS knows no such client any more: perhaps it was deleted or merged there.",
    "Look the client up in the PMS. Where it was merged into another, this goes there by itself"
    " once the clients are read again; where the call or text is somebody else's, say whose it is;"
    " where the client is there after all, try it again.",
)
NO_PLACE = (
    "The PMS does not find what it was asked for.",
    "Look at the client's record in the PMS, and test the connection; then try it again.",
)
TOO_LONG = (
    "It is longer than the PMS takes.",
    "Have its words shortened in the policy (and what it comes of replayed), or write it in the PMS"
    " by hand.",
)
CLASHES = (
    "It clashes with what stands in the PMS: the client's record is locked or archived, say, or"
    " somebody is at work on it.",
    "Look at the client's record in the PMS and unlock, restore or close it; then try it again.",
)
NOT_AS_IT_IS = (
    "The PMS does not take this record as it is.",
    "Mend what it names: as a rule something of the client's record in the PMS (a field that is"
    " missing, a file that is closed), else the policy's words. Then try it again.",
)
UNSAID = (
    "The PMS does not take this record as it is, and does not say why.",
    "Look at the client's record in the PMS (is it complete, open, not archived?), then try it"
    " again.",
)
GIVEN_UP = (
    "The PMS did not take it for three days.",
    "Test the connection, and mend what it tells; then try it again.",
)


def tell_refusal(tries: Sequence[Mapping[str, Any]], *, was_written: bool) -> dict[str, Any] | None:
    """Of an entry that is set aside, by its tries (as `rows.read_attempts` tells them): `said`, the
    PMS's own words ('' where there are none), `means` and `to_do`, in sentences.

    `was_written`: whether it stands in the PMS in an older version. None where no try that was
    refused is kept any more.
    """
    last = next((each for each in reversed(tries) if each["outcome"] == "set_aside"), None)
    if last is None:
        return None
    said = read_words(last["exchanges"][-1]["answer"]) if last["exchanges"] else ""
    means, to_do = _advise(last, said, was_written)
    return {"said": said, "means": means, "to_do": to_do}


def is_left(reason: str | None) -> bool:
    """Whether an entry that stands for this reason was left by a person."""
    return bool(reason and reason.endswith(LEFT))


def read_words(answer: str | None) -> str:
    """What the kept answer of a PMS says in words, on one line; '' for none, or for a web page."""
    if not answer or LIKE_MARKUP.match(answer):
        return ""
    try:
        parts = list(dict.fromkeys(_words(json.loads(answer))))
    except (ValueError, RecursionError):
        # Plain text, or JSON that was too long to be kept whole.
        parts = [answer]
    line = " ".join("; ".join(parts).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _words(value: Any, field: str = "", is_telling: bool = False) -> Iterator[str]:
    """The texts that tell what is wrong, each with the name of the `field` that it is of."""
    if isinstance(value, str):
        if is_telling and value.strip():
            yield f"{field}: {value}" if field else value
    elif isinstance(value, list):
        for each in value:
            yield from _words(each, field, is_telling)
    elif isinstance(value, dict):
        for key, each in sorted(value.items(), key=lambda item: item[0].lower() not in TELLING):
            yield from _words(each, *_as(key, each, field, is_telling))


def _as(key: str, value: Any, field: str, is_telling: bool) -> tuple[str, bool]:
    """Of what is called `key`: the field that it is of, and whether it tells what is wrong."""
    if isinstance(value, list) and any(isinstance(each, str) for each in value):
        # {"title": ["is too long"]}: as a rule faults by field.
        return ("" if key.lower() in LISTS else key), True
    if key.lower() in TELLING:
        return field, True
    if isinstance(value, str):
        return key, is_telling and " " in value.strip()
    return field, is_telling


def _advise(last: Mapping[str, Any], said: str, was_written: bool) -> tuple[str, str]:
    status, reason = last["http_status"], last["error"] or ""
    if reason.startswith("given up"):
        means, to_do = GIVEN_UP
    elif status in (404, 410):
        means, to_do = NO_PLACE if was_written else GONE
    elif status == 413 or LIKE_TOO_LONG.search(said):
        means, to_do = TOO_LONG
    elif status in (409, 412, 423):
        means, to_do = CLASHES
    else:
        means, to_do = NOT_AS_IT_IS if said else UNSAID
    return means, f"{to_do} {LEAVE}"

"""An exchange as a command that repeats it, with `$NAME` where a secret stood. Pure."""

import re
import shlex

from .exchanges import CLOSE, OPEN, Exchange

MARK = re.compile(f"{OPEN}([A-Za-z0-9_-]{{1,80}}){CLOSE}")
CUT = re.compile(r"… \([0-9]+ more characters\)$")
LEFT_TO_CURL = frozenset(
    {"content-length", "host", "connection", "accept-encoding", "transfer-encoding"}
)


def as_curl(exchange: Exchange) -> str:
    """The command, for a POSIX shell in which each secret is set as a variable."""
    words = ["curl", "-X", exchange["method"], quote(exchange["url"])]
    for name, value in exchange["headers"].items():
        if name.lower() not in LEFT_TO_CURL:
            words += ["-H", quote(f"{name}: {value}")]
    if exchange["body"]:
        words += ["--data-raw", quote(exchange["body"])]
    return " ".join(words)


def secret_names(exchange: Exchange) -> list[str]:
    """The variables that `as_curl` leaves to be set."""
    sent = [name for name in exchange["headers"] if name.lower() not in LEFT_TO_CURL]
    headers = (exchange["headers"][name] for name in sent)
    source = "\n".join([exchange["url"], *headers, exchange["body"] or ""])
    return sorted({_variable(name) for name in MARK.findall(source)})


def is_cut(exchange: Exchange) -> bool:
    """Whether the body was too long to be kept whole, so that the command would send a part."""
    return bool(CUT.search(exchange["body"] or ""))


def quote(text: str) -> str:
    """One word of a POSIX shell: literal, but for a variable where a secret stood."""
    parts = MARK.split(text)
    return (
        "".join(
            f'"${_variable(part)}"' if place % 2 else (shlex.quote(part) if part else "")
            for place, part in enumerate(parts)
        )
        or "''"
    )


def _variable(name: str) -> str:
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "SECRET"
    return f"_{word}" if word[0].isdigit() else word

"""The story of a call or of a day's texts, printed for a person."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import click

from ..exchanges import trim
from .output import as_called, local, printable

SHOWN_OF_BODY = 160
"""Characters of what was said and answered."""


def show_story(told: Mapping[str, Any]) -> None:
    """Print what `ledger.trace` tells of one call or window."""
    zone = told["clinic"]["timezone"]
    click.secho(f"{told['title']} ({told['clinic']['name']})", bold=True)
    _fields(
        [
            ("callUuid" if told["kind"] == "call" else "conversationID", told["key"]),
            ("used before", ", ".join(local(each, zone) for each in told.get("earlier", []))),
            ("first heard of", local(told["started_at"], zone) if "started_at" in told else ""),
            ("last text", "" if "started_at" in told else local(told["at"], zone)),
            ("number", told["number"] or "withheld"),
            ("caller's name", told["caller_name"]),
            ("line", told["line"]),
            ("outcome", told["outcome"] if told["kind"] == "call" else ""),
            ("because", "; ".join(told.get("evidence", []))),
            ("not reported", ", ".join(told.get("missing", []))),
            ("matched", _matched(told["match"])),
            ("stands", told["standing"]),
            ("webhooks", told["purged"] or ""),
            ("to do", _to_do(told)),
        ]
    )
    _part(
        "What the phone system reported, and what each report changed",
        (line for each in told["events"] for line in _event(each, told["key"], zone)),
    )
    _part("Texts", (_text(each, zone) for each in told.get("messages", [])))
    show_decisions(told.get("decisions", []), zone)
    for entry in told["entries"]:
        show_entry(entry)


def show_entry(entry: Mapping[str, Any], *, exchanges: bool = False) -> None:
    """Print one entry with its text and every try to write it; if asked, with what was said."""
    zone = entry["clinic"]["timezone"]
    click.echo()
    click.secho(f"{entry['kind'].capitalize()} {entry['id']}: {entry['title']}", bold=True)
    _fields(
        [
            ("stands", entry["standing"]),
            ("client", entry["client"]),
            ("version", f"{entry['version']} (written: {entry['written_version'] or 'none'})"),
            ("in the PMS", entry["pms_id"]),
            ("reference", entry["reference"]),
            ("comes of", ", ".join(f"{o['kind']} {o['key']}" for o in entry.get("origins", []))),
        ]
    )
    if refusal := entry["refusal"]:
        leave = f"ringnote entries leave {entry['id']}" if entry["may_be_left"] else ""
        _fields(
            [
                ("the PMS said", refusal["said"]),
                ("that means", refusal["means"]),
                ("to do", refusal["to_do"]),
                ("to try again", f"ringnote entries retry {entry['id']}"),
                ("to leave it", leave),
            ]
        )
    for line in entry["body"].splitlines():
        click.echo(printable(f"  | {line}"))
    for each in entry["tries"]:
        status = f", HTTP {each['http_status']}" if each["http_status"] else ""
        error = f": {each['error']}" if each["error"] else ""
        click.echo(
            f"  {local(each['at'], zone)}  {each['action']} of version {each['version']}:"
            f" {each['outcome']} in {each['duration_ms']} ms{status}{error}"
        )
        for said in each["exchanges"] if exchanges else []:
            _show_exchange(said)


def _show_exchange(said: Mapping[str, Any]) -> None:
    url = urlsplit(said["url"])
    path = url.path + (f"?{url.query}" if url.query else "")
    came = f"HTTP {said['status']}" if said["status"] else said["error"] or "no answer"
    click.echo(printable(f"    {said['method']} {path}: {came} in {said['duration_ms']} ms"))
    for mark, body in ((">", said["body"]), ("<", said["answer"])):
        if body:
            click.echo(printable(f"      {mark} {trim(' '.join(body.split()), SHOWN_OF_BODY)}"))


def show_decisions(decisions: Iterable[Mapping[str, Any]], zone: str) -> None:
    """Print what people decided, with who, when and why."""
    _part(
        "What people decided",
        (
            f"{local(each['at'], zone)}  {each['by']}: {each['kind']} {_pairs(each['value'])}"
            + (f" ({each['why']})" if each["why"] else "")
            for each in decisions
        ),
    )


def _fields(fields: Iterable[tuple[str, object]]) -> None:
    for name, value in fields:
        if value:
            click.echo(printable(f"  {name + ':':16} {as_called(str(value))}"))


def _part(heading: str, lines: Iterable[str]) -> None:
    known = list(lines)
    if known:
        click.echo()
        click.secho(heading, bold=True)
        for line in known:
            click.echo(printable(f"  {line}"))


def _event(event: Mapping[str, Any], key: str, zone: str) -> Iterator[str]:
    hidden = ["container_id", "tenant_id", "conversation_id"]
    # A transfer's events may carry a callUuid of their own: then it is worth telling.
    hidden += ["call_uuid"] if event["key"] == key else []
    shown = {name: value for name, value in event["fields"].items() if name not in hidden}
    reason = f"  [{event['reason']}]" if event["reason"] else ""
    at = local(event["at"], zone)
    yield f"{at}  {event['type']}  {_pairs(shown)}{reason}"
    if event["changed"] is not None:
        yield f"{'':{len(at)}}  → {'; '.join(event['changed']) or 'nothing new'}"


def _text(message: Mapping[str, Any], zone: str) -> str:
    sender = "client" if message["is_inbound"] else "clinic"
    again = len(message["repeats"])
    at = local(datetime.fromisoformat(message["at"]), zone)
    return f"{at}  {sender}: {message['text']}" + (f"  (came {again + 1} times)" if again else "")


def _matched(match: Mapping[str, Any] | None) -> str:
    if not match:
        return ""
    if match["client"]:
        who = f"{match['name']} ({match['client']})" if match["name"] else match["client"]
    else:
        who = " or ".join(match["candidates"]) or match["kind"]
    return f"{who}, since {match['rule']}"


def _to_do(told: Mapping[str, Any]) -> str:
    if told["disposition"] == "waiting":
        clinic, number = shlex.quote(told["clinic"]["name"]), shlex.quote(told["number"])
        return f"say whose it is: ringnote numbers map {clinic} {number} CLIENT"
    if told["disposition"] == "set_aside":
        ids = " ".join(str(each["id"]) for each in told["entries"] if each["state"] == "set_aside")
        return f"mend what the PMS refused, then: ringnote entries retry {ids}"
    return ""


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())

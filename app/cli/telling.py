"""The story of a call or of a day's texts, printed for a person."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click


def show_story(told: Mapping[str, Any]) -> None:
    """Print what `ledger.trace` tells of one call or window."""
    clinic = told["clinic"]
    click.secho(f"{told['title']} ({clinic['name']})", bold=True)
    _fields(
        [
            ("key", told["key"] + (f" (use {told['ordinal']})" if told["ordinal"] > 1 else "")),
            ("first heard of", told.get("started_at") or told["at"]),
            ("number", told["number"] or "withheld"),
            ("caller's name", told["caller_name"]),
            ("line", told["line"]),
            ("outcome", told["outcome"]),
            ("because", "; ".join(told.get("evidence", []))),
            ("not reported", ", ".join(told.get("missing", []))),
            ("matched", _matched(told["match"])),
            ("stands", told["standing"]),
        ]
    )
    _part(
        "What the phone system reported, and what each report changed",
        (line for each in told["events"] for line in _event(each, told["key"])),
    )
    _part("Texts", (_text(each) for each in told.get("messages", [])))
    _part(
        "What people decided",
        (
            f"{_at(each['at'])}  {each['by']}: {each['kind']} {_pairs(each['value'])}"
            + (f" ({each['why']})" if each["why"] else "")
            for each in told.get("decisions", [])
        ),
    )
    for entry in told["entries"]:
        show_entry(entry)


def show_entry(entry: Mapping[str, Any]) -> None:
    """Print one entry with its text and every try to write it."""
    click.echo()
    click.secho(f"{entry['kind'].capitalize()} {entry['id']}: {entry['title']}", bold=True)
    _fields(
        [
            ("stands", entry["standing"]),
            ("client", entry["client"]),
            ("version", f"{entry['version']} (written: {entry['written_version'] or 'none'})"),
            ("in the PMS", entry["pms_id"]),
            ("reference", entry["reference"]),
        ]
    )
    for line in entry.get("body", "").splitlines():
        click.echo(f"  | {line}")
    for each in entry.get("tries", []):
        status = f", HTTP {each['http_status']}" if each["http_status"] else ""
        error = f": {each['error']}" if each["error"] else ""
        click.echo(
            f"  {_at(each['at'])}  {each['action']} of version {each['version']}:"
            f" {each['outcome']} in {each['duration_ms']} ms{status}{error}"
        )


def _fields(fields: Iterable[tuple[str, object]]) -> None:
    for name, value in fields:
        if value:
            shown = _at(value) if hasattr(value, "isoformat") else value
            click.echo(f"  {name + ':':16} {shown}")


def _part(heading: str, lines: Iterable[str]) -> None:
    known = list(lines)
    if known:
        click.echo()
        click.secho(heading, bold=True)
        for line in known:
            click.echo(f"  {line}")


def _event(event: Mapping[str, Any], key: str) -> Iterator[str]:
    hidden = ["container_id", "tenant_id", "conversation_id"]
    # A transfer's events may carry a callUuid of their own: then it is worth telling.
    hidden += ["call_uuid"] if event["key"] == key else []
    shown = {name: value for name, value in event["fields"].items() if name not in hidden}
    reason = f"  [{event['reason']}]" if event["reason"] else ""
    yield f"{_at(event['at'])}  {event['type']}  {_pairs(shown)}{reason}"
    if event["changed"] is not None:
        yield f"{'':21}→ {'; '.join(event['changed']) or 'nothing new'}"


def _text(message: Mapping[str, Any]) -> str:
    sender = "client" if message["is_inbound"] else "clinic"
    again = len(message["repeats"])
    return f"{message['at'][:19].replace('T', ' ')}  {sender}: {message['text']}" + (
        f"  (came {again + 1} times)" if again else ""
    )


def _matched(match: Mapping[str, Any] | None) -> str:
    if not match:
        return ""
    who = f"{match['name']} ({match['client']})" if match["client"] else match["kind"]
    return f"{who}, since {match['rule']}"


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def _at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"

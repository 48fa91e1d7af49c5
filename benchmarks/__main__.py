"""`python -m benchmarks`: measures each area on each database, prints a table, writes JSON."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from ringnote.logs import configure_logs

from . import bulk, claim, deliver, fairness, ingest, journey, lookup, match, settle, size, sync
from .databases import DATABASES, staged
from .machine import describe_database, describe_machine
from .measurement import FULL, QUICK, BenchmarkError, Effort, Measurement
from .report import as_json, print_report

AREAS = {
    "ingest": ingest.measure,
    "settle": settle.measure,
    "claim": claim.measure,
    "deliver": deliver.measure,
    "match": match.measure,
    "size": size.measure,
    "lookup": lookup.measure,
    "import": bulk.measure,
    "journey": journey.measure,
    "fairness": fairness.measure,
    "sync": sync.measure,
}
LONG = {"fairness", "sync"}
"""Areas that are measured only where they are asked for: each takes a minute a database."""
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"Error: {message}; see --help.\n")


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    parser = _parser()
    asked = parser.parse_args(words)
    if asked.json and not asked.json.parent.is_dir():
        parser.error(f"--json: there is no folder {asked.json.parent}")
    if asked.json and asked.json.is_dir():
        parser.error(f"--json: {asked.json} is a folder; name a file")
    if asked.numbers is not None and asked.numbers < 2:
        parser.error("--numbers: at least 2")
    # However it is told to end, everything that was started is ended by the blocks it stands in.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_logs("text")
    return _run(asked)


def _run(asked: argparse.Namespace) -> int:
    """Measure, and show what was measured even where something went wrong; the exit code."""
    machine = describe_machine()
    measurements: list[Measurement] = []
    code = 0
    try:
        for area in _measure(
            asked.database or list(DATABASES),
            asked.only or [area for area in AREAS if area not in LONG],
            _effort(asked),
            machine,
        ):
            measurements += area
    except BenchmarkError as error:
        print(f"Error: {error}.", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("Stopped, with everything that was started.", file=sys.stderr)
        code = INTERRUPTED
    if measurements:
        print_report(machine, measurements)
    if asked.json and not code:
        value = as_json(machine, measurements, is_quick=asked.quick)
        asked.json.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    return code


def _parser() -> Parser:
    parser = Parser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument(
        "--only", action="append", choices=list(AREAS), help="this area alone; may be repeated"
    )
    parser.add_argument(
        "--database",
        action="append",
        choices=list(DATABASES),
        help="this database alone; may be repeated",
    )
    parser.add_argument(
        "--numbers", type=int, metavar="N", help="how many the largest directory has (at least 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def _effort(asked: argparse.Namespace) -> Effort:
    effort = QUICK if asked.quick else FULL
    return replace(effort, most_numbers=asked.numbers) if asked.numbers else effort


def _measure(
    databases: Sequence[str], areas: Sequence[str], effort: Effort, machine: dict[str, str]
) -> Iterator[list[Measurement]]:
    """Measure area after area; adds the databases' versions to `machine`."""
    for database in dict.fromkeys(databases):
        with DATABASES[database]() as new_database:
            for area in dict.fromkeys(areas):
                print(f"{database}: {area} …", file=sys.stderr)
                with staged(database, new_database) as stage:
                    machine.update(describe_database(stage.runtime.db))
                    yield AREAS[area](stage, effort)


if __name__ == "__main__":
    sys.exit(main())

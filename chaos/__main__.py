"""`python -m chaos`: makes trouble for some minutes, reckons up, and prints a table.

The exit code is 1 if anything was lost, duplicated, stale or stuck.
"""

import argparse
import json
import logging
import secrets
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from postgres import NoPostgresError
from ringnote.logs import configure_logs

from .ending import work_off
from .plan import QUIET_SECONDS, draw_plan
from .reckoning import reckon
from .report import as_json, count, print_report
from .stage import Stage, staged
from .troubles import Troubles

INTERRUPTED = 130
KILLS_A_MINUTE = 40
RESTARTS_A_MINUTE = 1


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    asked = _parse(words)
    # However it is told to end, everything that was started is ended by the blocks it stands in.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_logs("text")
    # That the PMS has something to do is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        return _run(asked)
    except NoPostgresError as error:
        print(f"Error: no PostgreSQL can be had ({error}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped, with everything that was started.", file=sys.stderr)
        return INTERRUPTED


def _run(asked: argparse.Namespace) -> int:
    seconds = asked.minutes * 60
    is_sqlite = asked.database == "sqlite"
    steps = draw_plan(asked.seed, seconds, asked.kills, asked.restarts, is_sqlite=is_sqlite)
    title = f"{asked.database}, {asked.minutes:g} minutes, seed {asked.seed}"
    print(f"{title}: {len(steps)} steps of trouble …", file=sys.stderr)
    with staged(asked.database, asked.seed, fenced=not asked.break_fence) as stage:
        troubles = Troubles(stage)
        try:
            stage.crew.wait_until_up()
            stage.phones.start()
            troubles.make(steps)
            work_off(stage, troubles)
            found = reckon(stage)
        except Exception:
            _keep(stage, asked.keep)
            raise
        counts = count(stage, troubles, found)
        if not found.is_clean:
            _keep(stage, asked.keep)
    print_report(title, counts, found)
    if asked.json:
        run = {**vars(asked), "json": None, "keep": None}
        asked.json.write_text(json.dumps(as_json(run, counts, found), indent=2) + "\n")
    return 0 if found.is_clean else 1


def _keep(stage: Stage, folder: Path | None) -> None:
    if folder:
        shutil.copytree(stage.folder, folder)


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long; 60 is an hour")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--kills", type=int, help="how many processes are killed by SIGKILL")
    parser.add_argument("--restarts", type=int, help="how often PostgreSQL is stopped and started")
    parser.add_argument("--seed", type=int, help="repeats the plan of a run that told it")
    parser.add_argument(
        "--break-fence", action="store_true", help="let workers write without a lease: must fail"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what it came to there")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where the run's files are kept if it fails"
    )
    asked = parser.parse_args(words)
    if asked.keep and asked.keep.exists():
        parser.error(f"--keep: {asked.keep} is there already")
    if asked.minutes * 60 <= QUIET_SECONDS:
        parser.error(f"--minutes: it takes more than {QUIET_SECONDS:.0f} seconds")
    if asked.kills is None:
        asked.kills = round(asked.minutes * KILLS_A_MINUTE)
    if asked.restarts is None:
        asked.restarts = max(1, round(asked.minutes * RESTARTS_A_MINUTE))
    if asked.seed is None:
        asked.seed = secrets.randbelow(10**6)
    return asked


if __name__ == "__main__":
    sys.exit(main())

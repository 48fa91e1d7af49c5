"""Runs a worker's background jobs, each kind of `jobs.py` in threads of its own."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from .jobs import Job, JobKind, Workplace
from .logs import get_logger

log = get_logger(__name__)


class Background:
    """Takes on what is due and has it done. `when_done` is called from a thread at each end.

    Used as a context: leaving it waits for what was begun.
    """

    def __init__(
        self, place: Workplace, kinds: Sequence[JobKind], when_done: Callable[[], None]
    ) -> None:
        self._kinds = [_Crew(kind, place, when_done) for kind in kinds]

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_error: object) -> None:
        for crew in self._kinds:
            crew.pool.shutdown()

    def step(self) -> bool:
        """Take on whatever is due and a thread is free for; whether there was anything."""
        return sum(crew.step() for crew in self._kinds) > 0

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return any(crew.under_way for crew in self._kinds)


class _Crew:
    """The threads of one kind, and what they are at."""

    def __init__(self, kind: JobKind, place: Workplace, when_done: Callable[[], None]) -> None:
        self.pool = ThreadPoolExecutor(kind.threads, f"ringnote-{kind.name}")
        self._kind = kind
        self._place = place
        self._when_done = when_done
        self._look_at = 0.0
        self._jobs: dict[Future[None], Job] = {}

    @property
    def under_way(self) -> list[Job]:
        self._jobs = {each: job for each, job in self._jobs.items() if not each.done()}
        return list(self._jobs.values())

    def step(self) -> bool:
        if time.monotonic() < self._look_at:
            return False
        has_begun = False
        while len(under_way := self.under_way) < self._kind.threads:
            clinics = [job.clinic_id for job in under_way if job.clinic_id is not None]
            job = self._kind.take(self._place, clinics)
            if job is None:
                self._look_at = time.monotonic() + self._kind.every_seconds
                break
            self._begin(job)
            has_begun = True
        return has_begun

    def _begin(self, job: Job) -> None:
        begun = self.pool.submit(_run, self._kind.name, job)
        self._jobs[begun] = job
        # Not at the end of what it does: the loop must find its thread free.
        begun.add_done_callback(lambda _: self._when_done())


def _run(kind: str, job: Job) -> None:
    try:
        job.act()
    except Exception:
        # What it was taken on under runs out by itself.
        log.exception("job.failed", job=kind, clinic_id=job.clinic_id)

"""A thread that does one job after the other, and the same one again until it is done."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final, TypeAlias

from veriscope.instrument.forking import in_forked_child
from veriscope.signals.log import get_log

_log = get_log(__name__)

Job: TypeAlias = Callable[[], float | None]
"""Does some work; answers None where it is over, else the seconds after which to try again."""

_IDLE_S: Final = 60.0


class SerialWorker:
    """
    Runs jobs in order on one daemon thread, which starts with the first job.

    At most *max_jobs* wait. In a forked child the jobs are the parent's, and are forgotten;
    the thread starts anew.
    """

    def __init__(self, name: str, max_jobs: int) -> None:
        self._name = f"veriscope-{name}"
        self._max_jobs = max_jobs
        self._jobs: deque[Job] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closed = False
        in_forked_child(self, SerialWorker._restart)

    def put(self, job: Job) -> bool:
        """Queue *job* without waiting; False where it was not taken, being full or closed."""
        with self._changed:
            if self._closed or len(self._jobs) >= self._max_jobs:
                return False
            self._jobs.append(job)
            if self._thread is None:
                self._start()
            self._changed.notify_all()
            return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until no job is left; False where that takes longer than *timeout_s*."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout_s)

    def close(self) -> int:
        """Take no more jobs and drop those that wait; return how many, the running one included."""
        with self._changed:
            self._closed = True
            left = len(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
            return left

    def _start(self) -> None:
        thread = Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left now: the next job tries again
            return
        self._thread = thread

    def _restart(self) -> None:
        """Begin anew in a forked child: the parent's thread is not there, and may hold the lock."""
        self._jobs = deque()
        self._changed = Condition()
        self._thread = None

    def _run(self) -> None:
        while (job := self._wait_for_job()) is not None:
            try:
                pause_s = job()
            except Exception:  # noqa: BLE001 - a job's own fault must not end those of the others
                _log.exception("background_job_failed", worker=self._name)
                pause_s = None
            with self._changed:
                if pause_s is not None and not self._closed:
                    self._changed.wait_for(lambda: self._closed, pause_s)
                elif self._jobs and self._jobs[0] is job:
                    self._jobs.popleft()
                    self._changed.notify_all()

    def _wait_for_job(self) -> Job | None:
        """Return the next job; None, and the thread ends, where none came for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed, _IDLE_S)
            if self._jobs:
                return self._jobs[0]
            self._thread = None
            return None

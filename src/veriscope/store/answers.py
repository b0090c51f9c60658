"""Answers about series, remembered while table `series` stays as it is."""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from veriscope.signals import SeriesFetch
from veriscope.store.commits import CommitLog
from veriscope.store.head.recent import Recent
from veriscope.store.weeks import HOUR_MS

T = TypeVar("T", bound=Sequence[Any])

_KEPT: Final = 64
# Together with the number of answers, a bound on their memory: some 40 MB of strings.
_MOST: Final = 10_000


class SeriesAnswers:
    """
    The latest answers, as long as no series was written since; safe to use from many threads.

    Without a *log* nothing is remembered: others may write as well.
    """

    def __init__(self, log: CommitLog | None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._version = 0
        self._kept: Recent[Hashable, Any] = Recent(_KEPT)

    def found(
        self,
        question: tuple[str, ...],
        fetches: Sequence[SeriesFetch],
        ask: Callable[[Sequence[SeriesFetch]], T],
    ) -> T:
        """
        Return what *ask* answers for *fetches*, whose times are widened to whole hours.

        The table knows series by the hour, so the answer is the same all through one.
        """
        hours = tuple(_whole_hours(fetch) for fetch in fetches)
        kept, key = self._current(), (question, hours)
        answer: T | None = kept.get(key)
        if answer is None:
            answer = ask(hours)
            if self._log is not None and len(answer) <= _MOST:
                kept.keep(key, answer)
        return answer

    def _current(self) -> Recent[Hashable, Any]:
        with self._lock:
            if self._log is not None and self._version != self._log.version:
                commits = self._log.since(self._version)
                if commits is None or any(commit.series_written for commit in commits):
                    # Whoever asks just now keeps what may be older in the one that is left behind.
                    self._kept = Recent(_KEPT)
                self._version = (
                    self._log.version if commits is None else self._version + len(commits)
                )
            return self._kept


def _whole_hours(fetch: SeriesFetch) -> SeriesFetch:
    start_ms = fetch.start_ms // HOUR_MS * HOUR_MS
    end_ms = fetch.end_ms // HOUR_MS * HOUR_MS + HOUR_MS - 1
    return replace(fetch, start_ms=start_ms, end_ms=end_ms)

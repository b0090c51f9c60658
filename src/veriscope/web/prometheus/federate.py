"""`/federate`: the newest sample of each series, for another Prometheus to scrape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query.promql.floats import format_floats
from veriscope.signals import (
    METRIC_NAME,
    Labels,
    LimitExceededError,
    Matcher,
    RaggedSamples,
    RawFetch,
    VeriscopeError,
    is_stale,
    label_value,
)
from veriscope.web.answers import plain
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import Asking, match_selectors
from veriscope.web.prometheus.outside import OutsideLabels
from veriscope.web.prometheus.series import SeriesSource
from veriscope.web.threads import Turn

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_UTF8_TEXT: Final = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
_LEGACY_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OTHER: Final = re.compile(r"[^a-zA-Z0-9_:]")
_ROWS_AT_ONCE: Final = 4_096


class Federation:
    """`/federate`, in the text format; errors are plain text, as in Prometheus."""

    def __init__(self, series: SeriesSource, external: Mapping[str, str], asking: Asking) -> None:
        self._series = series
        # The scraper would add its own where there is none.
        self._outside = OutsideLabels({name: value for name, value in external.items() if value})
        self._instance = external.get("instance", "")
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [Route("/federate", self.federate, methods=["GET"])]

    async def federate(self, request: Request) -> Response:
        """Answer with the newest sample, within the look-back, of each series of `match[]`."""
        try:
            given = await Parameters.of(request)
            selectors = match_selectors(given)
        except VeriscopeError as error:
            return plain(400, str(error))
        utf8 = "escaping=allow-utf-8" in request.headers.get("accept", "").replace(" ", "")
        now_ms = self._asking.clock.now_ms()

        def ask(turn: Turn) -> Response:
            try:
                newest = self._newest(selectors, now_ms, turn)
            except LimitExceededError as error:
                return plain(422, str(error))
            text = self._lines(newest, utf8=utf8)
            return self._asking.written(request, turn, text, _UTF8_TEXT if utf8 else _TEXT)

        return await self._asking.answer(request, ask)

    def _newest(
        self, selectors: Sequence[tuple[Matcher, ...]], now_ms: int, turn: Turn
    ) -> list[tuple[Labels, int, str]]:
        """Return series by name, with time and value of their newest sample."""
        found: dict[Labels, tuple[int, str]] = {}
        limits = self._asking.limits(turn)
        for matchers in selectors:
            fetch = RawFetch(matchers, now_ms - self._asking.options.lookback, now_ms)
            samples = self._series.fetch(fetch, limits)
            rows, times_ms, values = _last_samples(samples)
            texts = format_floats(values).to_pylist()
            for row, time_ms, text in zip(rows.tolist(), times_ms.tolist(), texts, strict=True):
                found[samples.labels[row]] = (time_ms, text)
        newest = [(labels, *sample) for labels, sample in found.items()]
        return sorted(newest, key=lambda each: (label_value(each[0], METRIC_NAME), each[0]))

    def _lines(self, newest: Sequence[tuple[Labels, int, str]], *, utf8: bool) -> Iterator[bytes]:
        family = ""
        for begin in range(0, len(newest), _ROWS_AT_ONCE):
            lines: list[str] = []
            for labels, time_ms, text in newest[begin : begin + _ROWS_AT_ONCE]:
                name = label_value(labels, METRIC_NAME)
                if name != family:
                    family = name
                    lines.append(f"# TYPE {_metric(name, utf8=utf8)} untyped\n")
                lines.append(f"{self._series_text(name, labels, utf8=utf8)} {text} {time_ms}\n")
            yield "".join(lines).encode()

    def _series_text(self, name: str, labels: Labels, *, utf8: bool) -> str:
        pairs = dict(self._outside.added(labels))
        del pairs[METRIC_NAME]
        pairs.setdefault("instance", self._instance)
        written = [
            f'{_label(key, utf8=utf8)}="{_escape(value)}"' for key, value in sorted(pairs.items())
        ]
        if utf8 and not _LEGACY_NAME.fullmatch(name):
            return f"{{{','.join([_metric(name, utf8=True), *written])}}}"
        return f"{_metric(name, utf8=utf8)}{{{','.join(written)}}}"


def _last_samples(
    samples: RaggedSamples,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return rows with their newest sample's time and value; one that has ended is left out."""
    rows, times, values = [], [], []
    before = 0
    for segment in samples.segments:
        filled = np.flatnonzero(segment.stops > segment.starts)
        last = segment.stops[filled] - 1
        live = ~is_stale(segment.values[last])
        rows.append(filled[live] + before)
        times.append(segment.timestamps_ms[last[live]])
        values.append(segment.values[last[live]])
        before += len(segment)
    none = np.empty(0, dtype=np.int64)
    return (
        np.concatenate([none, *rows]),
        np.concatenate([none, *times]),
        np.concatenate([np.empty(0), *values]),
    )


def _metric(name: str, *, utf8: bool) -> str:
    if _LEGACY_NAME.fullmatch(name):
        return name
    return f'"{_escape(name)}"' if utf8 else _legacy(name)


def _label(name: str, *, utf8: bool) -> str:
    if _LEGACY_NAME.fullmatch(name) and ":" not in name:
        return name
    return f'"{_escape(name)}"' if utf8 else _legacy(name).replace(":", "_")


def _legacy(name: str) -> str:
    """Return *name* with underscores for what older scrapers do not read."""
    return re.sub(r"^(?=[0-9])", "_", _OTHER.sub("_", name))


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

"""`/federate`: the newest sample of each series, for another Prometheus to scrape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query.promql.float_texts import format_floats
from veriscope.signals import (
    METRIC_NAME,
    Labels,
    LimitExceededError,
    Matcher,
    RaggedSamples,
    RawFetch,
    VeriscopeError,
    label_value,
)
from veriscope.signals.histograms import ResetHint
from veriscope.web.answers import plain
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import Asking, match_selectors
from veriscope.web.prometheus.newest import newest
from veriscope.web.prometheus.outside import OutsideLabels
from veriscope.web.prometheus.series import SeriesSource
from veriscope.web.threads import Turn
from veriscope.wire.exposition.families import (
    MEDIA_TYPE,
    ExposedSample,
    FamilyType,
    write_families,
)
from veriscope.wire.histogram_messages import exposed_histograms

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_UTF8_TEXT: Final = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
_UTF8: Final = "; escaping=allow-utf-8"
_TEXT_VERSIONS: Final = ("", "0.0.4", "1.0.0")
_LEGACY_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NO_LEGACY: Final = re.compile(r"^[0-9]|[^a-zA-Z0-9_:]")
_ROWS_AT_ONCE: Final = 4_096


@dataclass(frozen=True, slots=True)
class _Format:
    """How an answer is written; with *utf8*, names are as they are."""

    protobuf: bool = False
    utf8: bool = False

    @property
    def media_type(self) -> str:
        if self.protobuf:
            return MEDIA_TYPE + _UTF8 * self.utf8
        return _UTF8_TEXT if self.utf8 else _TEXT


@dataclass(frozen=True, slots=True)
class _Sample:
    """The newest sample of a series; *histogram* is its message where it is no float."""

    labels: Labels
    time_ms: int
    value: float
    type: FamilyType
    histogram: bytes


class Federation:
    """
    `/federate`, in the text format or as protobuf; errors are plain text, as in Prometheus.

    The text format knows no native histograms, so they are left out of it.
    """

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
            # As in Prometheus, `{job=~".*"}` is everything here, but `{}` is nothing.
            selectors = [some for some in match_selectors(given, all_series=True) if some]
        except VeriscopeError as error:
            return plain(400, str(error))
        form = _negotiated(request.headers.get("accept", ""))
        now_ms = self._asking.clock.now_ms()

        def ask(turn: Turn) -> Response:
            try:
                samples = self._newest(selectors, now_ms, turn)
            except LimitExceededError as error:
                return plain(422, str(error))
            write = self._families if form.protobuf else self._lines
            return self._asking.written(
                request, turn, write(samples, utf8=form.utf8), form.media_type
            )

        return await self._asking.answer(request, ask)

    def _newest(
        self, selectors: Sequence[tuple[Matcher, ...]], now_ms: int, turn: Turn
    ) -> list[_Sample]:
        """Return series by name, with their newest samples."""
        found: dict[Labels, _Sample] = {}
        limits = self._asking.limits(turn)
        for matchers in selectors:
            fetch = RawFetch(matchers, now_ms - self._asking.options.lookback, now_ms)
            samples = self._series.fetch(fetch, limits)
            found |= {each.labels: each for each in _samples_of(samples)}
        return sorted(
            found.values(), key=lambda each: (label_value(each.labels, METRIC_NAME), each.labels)
        )

    def _lines(self, samples: Sequence[_Sample], *, utf8: bool) -> Iterator[bytes]:
        floats = [each for each in samples if not each.histogram]
        family = ""
        for begin in range(0, len(floats), _ROWS_AT_ONCE):
            part = floats[begin : begin + _ROWS_AT_ONCE]
            texts = format_floats(np.array([each.value for each in part])).to_pylist()
            lines: list[str] = []
            for each, text in zip(part, texts, strict=True):
                name = label_value(each.labels, METRIC_NAME)
                if name != family:
                    family = name
                    lines.append(f"# TYPE {_metric(name, utf8=utf8)} untyped\n")
                series = self._series_text(name, each.labels, utf8=utf8)
                lines.append(f"{series} {text} {each.time_ms}\n")
            yield "".join(lines).encode()

    def _families(self, samples: Sequence[_Sample], *, utf8: bool) -> Iterator[bytes]:
        exposed: list[ExposedSample] = []
        for each in samples:
            name = label_value(each.labels, METRIC_NAME)
            name = name if utf8 else _legacy(name)
            labels = [
                (key if utf8 else _legacy_label(key), value)
                for key, value in self._shown(each.labels)
            ]
            exposed.append(
                ExposedSample(name, labels, each.time_ms, each.type, each.histogram)
                if each.histogram
                else ExposedSample.of_float(name, labels, each.time_ms, each.value)
            )
        return write_families(exposed)

    def _shown(self, labels: Labels) -> list[tuple[str, str]]:
        """Return the labels that are written, by name, without that of the metric."""
        pairs = dict(self._outside.added(labels))
        del pairs[METRIC_NAME]
        pairs.setdefault("instance", self._instance)
        return sorted(pairs.items())

    def _series_text(self, name: str, labels: Labels, *, utf8: bool) -> str:
        written = [
            f'{_label(key, utf8=utf8)}="{_escape(value)}"' for key, value in self._shown(labels)
        ]
        if utf8 and not _LEGACY_NAME.fullmatch(name):
            return f"{{{','.join([_metric(name, utf8=True), *written])}}}"
        return f"{_metric(name, utf8=utf8)}{{{','.join(written)}}}"


def _samples_of(samples: RaggedSamples) -> Iterator[_Sample]:
    """Yield the newest sample of each series that has not ended."""
    last = newest(samples)
    messages = exposed_histograms(last.histograms)
    gauges = (last.histograms.reset_hint == ResetHint.GAUGE).tolist()
    for row, time_ms, value, native in zip(
        last.rows.tolist(),
        last.times_ms.tolist(),
        last.values.tolist(),
        last.native.tolist(),
        strict=True,
    ):
        kind, message = FamilyType.UNTYPED, b""
        if native >= 0:
            kind = FamilyType.GAUGE_HISTOGRAM if gauges[native] else FamilyType.HISTOGRAM
            message = messages[native]
        yield _Sample(samples.labels[row], time_ms, value, kind, message)


def _negotiated(accept: str) -> _Format:
    """Return the format that *accept* likes best of those that are written."""
    for wanted, options in _by_weight(accept):
        utf8 = options.get("escaping") == "allow-utf-8"
        if (
            wanted == "application/vnd.google.protobuf"
            and options.get("proto") == "io.prometheus.client.MetricFamily"
            and options.get("encoding") == "delimited"
        ):
            return _Format(protobuf=True, utf8=utf8)
        if wanted == "text/plain" and options.get("version", "") in _TEXT_VERSIONS:
            return _Format(utf8=utf8)
    return _Format()


def _by_weight(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Return the types of an `Accept` header with their parameters, the best liked first."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for part in accept.split(","):
        kind, *given = (text.strip() for text in part.split(";"))
        options = {
            name.strip(): value.strip(' "')
            for name, _, value in (text.partition("=") for text in given)
        }
        try:
            weight = float(options.pop("q", 1.0))
        except ValueError:
            weight = 0.0
        found.append((weight, kind.lower(), options))
    found.sort(key=lambda each: -each[0])
    return [(kind, options) for _, kind, options in found]


def _metric(name: str, *, utf8: bool) -> str:
    if _LEGACY_NAME.fullmatch(name):
        return name
    return f'"{_escape(name)}"' if utf8 else _legacy(name)


def _label(name: str, *, utf8: bool) -> str:
    if _LEGACY_NAME.fullmatch(name) and ":" not in name:
        return name
    return f'"{_escape(name)}"' if utf8 else _legacy_label(name)


def _legacy(name: str) -> str:
    """Return *name* with underscores for what older scrapers do not read."""
    return _NO_LEGACY.sub("_", name)


def _legacy_label(name: str) -> str:
    """Likewise for a label, whose names have no colons."""
    return _legacy(name).replace(":", "_")


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

"""Remote read: samples as they are, for another Prometheus to compute with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query import QueryTooLargeError
from veriscope.query.promql.histograms.windows import histogram_samples
from veriscope.query.promql.samples import chosen_rows
from veriscope.query.promql.vectors import order_by_labels
from veriscope.signals import (
    InvalidInputError,
    Labels,
    LabelSets,
    LimitExceededError,
    RaggedSamples,
    RawFetch,
    SeriesFetch,
)
from veriscope.web.answers import plain
from veriscope.web.bodies import read_body
from veriscope.web.prometheus.asking import Asking
from veriscope.web.prometheus.outside import OutsideLabels
from veriscope.web.prometheus.series import SeriesSource
from veriscope.web.threads import Turn
from veriscope.wire import remote_read
from veriscope.wire.remote_read import ReadQuery, ReadRequest, ResponseType

_PIECE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a query selects: its samples, or None where only series are wanted; labels as shown."""

    labels: Sequence[Labels]
    samples: RaggedSamples | None


class RemoteReadDoor:
    """`/api/v1/read`; errors are plain text, as in Prometheus."""

    def __init__(self, series: SeriesSource, external: Mapping[str, str], asking: Asking) -> None:
        self._series = series
        self._outside = OutsideLabels(external)
        self._asking = asking

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [Route("/api/v1/read", self.read, methods=["POST"])]

    async def read(self, request: Request) -> Response:
        """Answer a remote read request in the first form that its sender reads."""
        try:
            body = await read_body(request, _check_size)
            asked = remote_read.decode_request(body)
            form = asked.response_type()
        except LimitExceededError as error:
            return plain(413, str(error))
        except InvalidInputError as error:
            return plain(400, str(error))

        def ask(turn: Turn) -> Response:
            try:
                found = self._find(asked, turn)
            except InvalidInputError as error:
                return plain(400, str(error))
            if form is ResponseType.SAMPLES:
                return _samples(found)
            pieces = _gathered(_frames(found))
            return self._asking.written(None, turn, pieces, remote_read.CHUNKS_TYPE)

        return await self._asking.answer(request, ask)

    def _find(self, asked: ReadRequest, turn: Turn) -> list[_Found]:
        found: list[_Found] = []
        total, limit = 0, self._asking.options.max_samples
        for query in asked.queries:
            found.append(self._select(query, turn))
            samples = found[-1].samples
            total += 0 if samples is None else samples.samples
            if total > limit:
                raise QueryTooLargeError(wanted=total, limit=limit)
        return found

    def _select(self, query: ReadQuery, turn: Turn) -> _Found:
        matchers = self._outside.inside(query.matchers)
        limits = self._asking.limits(turn)
        if query.end_ms < query.start_ms:
            return _Found((), RaggedSamples(LabelSets(), ()))
        if query.only_labels:
            fetch = SeriesFetch(matchers, query.start_ms, query.end_ms)
            series = self._series.series([fetch], limits)
            return _Found([self._outside.added(labels) for labels in series], None)
        samples = self._series.fetch(RawFetch(matchers, query.start_ms - 1, query.end_ms), limits)
        samples = _by_labels(samples)
        return _Found([self._outside.added(labels) for labels in samples.labels], samples)


def _by_labels(samples: RaggedSamples) -> RaggedSamples:
    order = order_by_labels(samples.labels)
    if len(samples.segments) == 1:
        return chosen_rows(samples, order)
    segment = replace(samples.joined(), histograms=histogram_samples(samples))
    return chosen_rows(RaggedSamples(samples.labels, (segment,)), order)


def _samples(found: Sequence[_Found]) -> Response:
    results = [
        b"".join(
            remote_read.series_of(each.labels)
            if each.samples is None
            else remote_read.samples_of(each.samples, each.labels)
        )
        for each in found
    ]
    return Response(
        remote_read.samples_response(results),
        headers={"Content-Encoding": "snappy"},
        media_type=remote_read.SAMPLES_TYPE,
    )


def _frames(found: Sequence[_Found]) -> Iterator[bytes]:
    for place, each in enumerate(found):
        if each.samples is None:
            yield from remote_read.series_frames(each.labels, place)
        else:
            yield from remote_read.chunk_frames(each.samples, each.labels, place)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small *pieces*, so that each is worth its way to the client."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _check_size(size: int) -> None:
    if size > remote_read.MAX_REQUEST_BYTES:
        raise LimitExceededError(
            f"the request has more than {remote_read.MAX_REQUEST_BYTES:,} bytes; ask in parts"
        )

"""What every question of the API shares: threads, limits, selectors and the way of answering."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from veriscope.query import ParseError, QueryOptions
from veriscope.query.promql import Expr, parse, parse_matchers
from veriscope.signals import Clock, FetchLimits, InvalidInputError, Matcher, SeriesFetch
from veriscope.web.answers import envelope
from veriscope.web.compression import choose_encoding
from veriscope.web.parameters import Parameters
from veriscope.web.streams import answer
from veriscope.web.threads import QueryThreads, Turn

ALL_TIME_MS: Final = (0, 9_999_999_999_999)
READ: Final = ("GET", "POST")
TRUNCATED: Final = "results truncated due to limit"


class Asking:
    """Runs questions in threads, within the limits of the options."""

    def __init__(self, options: QueryOptions, clock: Clock, threads: QueryThreads) -> None:
        self.options = options
        self.clock = clock
        self._threads = threads

    def limits(self, turn: Turn) -> FetchLimits:
        """Return what a fetch of this *turn* may use."""
        return FetchLimits(
            max_samples=self.options.max_samples,
            max_series=self.options.max_series,
            timeout_ms=turn.left_ms,
            cancel=turn.cancel,
        )

    async def answer(
        self, request: Request, ask: Callable[[Turn], Response], timeout_ms: int | None = None
    ) -> Response:
        """Return `ask(turn)`, called in a thread; it is cancelled where the client hangs up."""
        return await self._threads.run(request.receive, ask, timeout_ms)

    def written(
        self,
        request: Request | None,
        turn: Turn,
        chunks: Iterator[bytes],
        media_type: str = "application/json",
    ) -> Response:
        """
        Return *chunks* as the answer; call it in the turn's thread.

        It is compressed as *request* says, and not at all without one.
        """
        accept = "" if request is None else request.headers.get("accept-encoding", "")
        encoding = choose_encoding(accept)
        return answer(chunks, encoding, self._threads, turn.cancel, media_type)

    def success(
        self, request: Request, turn: Turn, data: bytes, warnings: Sequence[str] = ()
    ) -> Response:
        """Return *data*, JSON already, in the envelope of a success."""
        return self.written(request, turn, envelope([data], warnings))


def parse_query(name: str, text: str) -> Expr:
    """Return the expression *text*; raises `InvalidInputError` naming parameter *name*."""
    try:
        return parse(text)
    except ParseError as error:
        raise bad_parameter(name, error) from error


def series_fetches(given: Parameters) -> tuple[SeriesFetch, ...]:
    """
    Return what `match[]`, `start` and `end` select; without a selector that is everything.

    Nothing where the end is before the start, which Prometheus does not mind here either.
    """
    start_ms = given.time_ms("start", ALL_TIME_MS[0])
    end_ms = given.time_ms("end", ALL_TIME_MS[1])
    selectors = match_selectors(given) or [()]
    if end_ms < start_ms:
        return ()
    return tuple(SeriesFetch(matchers, start_ms, end_ms) for matchers in selectors)


def match_selectors(given: Parameters, *, all_series: bool = False) -> list[tuple[Matcher, ...]]:
    """Return the matchers of each `match[]`; only with *all_series* may they select everything."""
    try:
        return [parse_matchers(text, all_series=all_series) for text in given.all("match[]")]
    except ParseError as error:
        raise bad_parameter("match[]", error) from error


def bad_parameter(name: str, error: Exception) -> InvalidInputError:
    """Return *error* as Prometheus says it of a parameter."""
    return InvalidInputError(f'invalid parameter "{name}": {error}')

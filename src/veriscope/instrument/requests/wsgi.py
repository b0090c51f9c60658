"""Middleware that watches a WSGI application."""

from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from typing import Any, Final, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.instrument.requests.exchange import SERVER_ERROR, Exchange, Recorder, open_span
from veriscope.instrument.requests.stats import RequestStats

Environ: TypeAlias = MutableMapping[str, Any]
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]
WsgiApp: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_WITHOUT_BODY: Final = (204, 304)


class WsgiMiddleware:
    """
    Measures each request of *app*: metrics, response times, and a span where tracing is on.

    A request lasts until its body was exhausted or closed by the server. An exception, also one
    raised by a generator on its way, counts as a 500 and is raised again; a body that the server
    closes before its end counts as a 499. The route is what *route_of* says of the environ, else
    Flask's rule, else the path; see `MAX_ROUTES`.
    """

    def __init__(
        self,
        app: WsgiApp,
        *,
        registry: CollectorRegistry | None = None,
        stats: RequestStats | None = None,
        route_of: Callable[[Environ], str | None] | None = None,
    ) -> None:
        self._app = app
        self._recorder = Recorder(registry, stats, route_of, _flask_route)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request as the application does."""
        exchange = _WsgiExchange(self._recorder, environ)
        exchange.span = open_span("of_environ", environ)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any, **named: Any) -> Write:
            exchange.started(status, headers)
            return exchange.counted(start_response(status, headers, *rest, **named))

        exchange.enter()
        try:
            body = self._app(environ, start)
        except BaseException as error:
            exchange.end(error)
            raise
        finally:
            exchange.leave()
        if isinstance(body, Collection):
            return _SizedBody(exchange, body)
        return _Body(exchange, body)


class _WsgiExchange(Exchange):
    """An exchange whose span is current while the application runs, and no longer."""

    __slots__ = ("_expected_bytes",)

    def __init__(self, recorder: Recorder, environ: Environ) -> None:
        self._expected_bytes = 0 if environ.get("REQUEST_METHOD") == "HEAD" else -1
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        super().__init__(recorder, environ, environ.get("REQUEST_METHOD", ""), path)
        length = environ.get("CONTENT_LENGTH") or ""
        if length.isdigit():
            self.declared_bytes = int(length)

    def enter(self) -> None:
        """Make the span current."""
        if self.span is not None:
            self.span.enter()

    def leave(self) -> None:
        """Make current what was before."""
        if self.span is not None:
            self.span.leave()

    def started(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Note how the response begins, and how long it says that it will be."""
        code = status[:3]
        self.status = int(code) if code.isdigit() else SERVER_ERROR
        if self.status in _WITHOUT_BODY:
            self._expected_bytes = 0
        elif self._expected_bytes < 0:
            for name, value in headers:
                if name.lower() == "content-length" and value.isdigit():
                    self._expected_bytes = int(value)

    @property
    def is_whole(self) -> bool:
        """Whether all that the headers promised has been handed on."""
        return 0 <= self._expected_bytes <= self.sent_bytes

    def counted(self, write: Write) -> Write:
        """Return *write* (WSGI's older way to send a body) counting what passes."""

        def count(data: bytes) -> object:
            self.sent_bytes += len(data)
            return write(data)

        return count


class _Body:
    """A response body that ends its exchange when it is exhausted, fails or is closed."""

    def __init__(self, exchange: _WsgiExchange, body: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._body = body
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        exchange.enter()
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            chunk = next(self._chunks)
        except StopIteration:
            exchange.complete()
            raise
        except BaseException as error:
            exchange.end(error)
            raise
        finally:
            exchange.leave()
        exchange.sent_bytes += len(chunk)
        return chunk

    def close(self) -> None:
        """Close the application's body, as the server must when it is done or gives up."""
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                close()
        finally:
            self._close_exchange()

    def _close_exchange(self) -> None:
        # A server may stop at the last chunk it expects, before the iterator says that it ends.
        if self._exchange.is_whole:
            self._exchange.complete()
        self._exchange.gone = True
        self._exchange.end()


class _SizedBody(_Body):
    """Tells its number of chunks: of one chunk a server knows the content's length."""

    def __init__(self, exchange: _WsgiExchange, body: Collection[bytes]) -> None:
        super().__init__(exchange, body)
        self._length = len(body)
        self._seen = 0

    def __len__(self) -> int:
        return self._length

    def __next__(self) -> bytes:
        chunk = super().__next__()
        self._seen += 1
        if self._seen == self._length:
            self._exchange.complete()
        return chunk


def _flask_route(environ: Environ) -> str | None:
    """Return the rule of Flask, which leaves its request in the environ."""
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return rule if isinstance(rule, str) else None

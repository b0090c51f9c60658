"""Server spans by OpenTelemetry's stable conventions for HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from opentelemetry import context, propagate, trace
from opentelemetry.propagators.textmap import Getter, default_getter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    url_attributes,
    user_agent_attributes,
)
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from veriscope.instrument.requests.exchange import SERVER_ERROR
from veriscope.instrument.requests.metrics import METHODS, OTHER_METHOD

_SECRET_PARAMETERS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "awsaccesskeyid",
        "code",
        "password",
        "secret",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-signature",
    }
)
_REQUEST_SIZE: Final = "http.request.body.size"
_RESPONSE_SIZE: Final = "http.response.body.size"

_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def is_set_up() -> bool:
    """Tell whether the process has a tracer provider that makes real spans."""
    global _provider, _tracer  # noqa: PLW0603 - OpenTelemetry's provider is one for the process
    found = trace.get_tracer_provider()
    if found is _provider:
        return True
    if not isinstance(found, TracerProvider):
        return False
    _tracer = found.get_tracer("veriscope.requests")
    _provider = found
    return True


class ServerSpan:
    """A span that is current from `enter` to `leave`, and ends when the exchange does."""

    __slots__ = ("_context", "_method", "_span", "_token")

    def __init__(self, span: Span, parent: context.Context, method: str) -> None:
        self._span = span
        self._context = trace.set_span_in_context(span, parent)
        self._method = method
        self._token: Any = None

    def enter(self) -> None:
        """Make the span current, with the baggage that came in."""
        self._token = context.attach(self._context)

    def leave(self) -> None:
        """Make current what was before."""
        if self._token is not None:
            context.detach(self._token)
            self._token = None

    def end(
        self,
        route: str | None,
        status: int,
        error: BaseException | None,
        request_bytes: int,
        response_bytes: int,
    ) -> None:
        """End the span with its outcome; only a 5xx or an exception is the server's error."""
        span = self._span
        if span.is_recording():
            outcome: dict[str, AttributeValue] = {
                http_attributes.HTTP_RESPONSE_STATUS_CODE: status,
                _REQUEST_SIZE: request_bytes,
                _RESPONSE_SIZE: response_bytes,
            }
            if route:
                outcome[http_attributes.HTTP_ROUTE] = route
                span.update_name(f"{self._method} {route}")
            if status >= SERVER_ERROR:
                outcome[error_attributes.ERROR_TYPE] = (
                    type(error).__qualname__ if error else str(status)
                )
                if error is not None:
                    span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, str(error) if error else None))
            span.set_attributes(outcome)
        span.end()


def start(
    carrier: Any,
    getter: Getter[Any],
    attributes: Callable[[], dict[str, AttributeValue]],
    method: str,
) -> ServerSpan | None:
    """
    Start the span of a request as the child of what *carrier* says.

    None where somebody else's instrumentation has made the request's span already.
    """
    current = trace.get_current_span()
    if current.is_recording() and getattr(current, "kind", None) is SpanKind.SERVER:
        return None
    if _tracer is None:
        return None
    parent = propagate.extract(carrier, getter=getter)
    described = attributes()
    name = method if method in METHODS else "HTTP"
    if name == "HTTP":
        described[http_attributes.HTTP_REQUEST_METHOD_ORIGINAL] = method
        method = OTHER_METHOD
    described[http_attributes.HTTP_REQUEST_METHOD] = method
    span = _tracer.start_span(name, parent, SpanKind.SERVER, described)
    return ServerSpan(span, parent, name)


def of_scope(scope: Mapping[str, Any]) -> ServerSpan | None:
    """Start the span of an ASGI request."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())
    }
    return start(
        headers,
        default_getter,
        lambda: _scope_attributes(scope, headers),
        scope.get("method", ""),
    )


def of_environ(environ: Mapping[str, Any]) -> ServerSpan | None:
    """Start the span of a WSGI request."""
    return start(
        environ,
        _ENVIRON_GETTER,
        lambda: _environ_attributes(environ),
        environ.get("REQUEST_METHOD", ""),
    )


class _EnvironGetter(Getter[Mapping[str, Any]]):
    """Finds headers in a WSGI environ."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        """Return header *key*."""
        found = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return None if found is None else [found]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        """Return the names of all headers."""
        return [
            key.removeprefix("HTTP_").lower().replace("_", "-")
            for key in carrier
            if key.startswith("HTTP_")
        ]


_ENVIRON_GETTER: Final = _EnvironGetter()


def _scope_attributes(
    scope: Mapping[str, Any], headers: Mapping[str, str]
) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        url_attributes.URL_PATH: scope["path"],
        url_attributes.URL_SCHEME: scope.get("scheme", "http"),
        network_attributes.NETWORK_PROTOCOL_VERSION: scope.get("http_version", "1.1"),
    }
    if query := scope.get("query_string"):
        found[url_attributes.URL_QUERY] = _redact(query.decode("latin-1"))
    if server := scope.get("server"):
        found[server_attributes.SERVER_ADDRESS] = server[0]
        if server[1] is not None:
            found[server_attributes.SERVER_PORT] = server[1]
    if client := scope.get("client"):
        found[client_attributes.CLIENT_ADDRESS] = client[0]
    if agent := headers.get("user-agent"):
        found[user_agent_attributes.USER_AGENT_ORIGINAL] = agent
    return found


def _environ_attributes(environ: Mapping[str, Any]) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        url_attributes.URL_PATH: environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        url_attributes.URL_SCHEME: environ.get("wsgi.url_scheme", "http"),
        network_attributes.NETWORK_PROTOCOL_VERSION: environ.get(
            "SERVER_PROTOCOL", "HTTP/1.1"
        ).rpartition("/")[2],
    }
    if query := environ.get("QUERY_STRING"):
        found[url_attributes.URL_QUERY] = _redact(query)
    if server := environ.get("SERVER_NAME"):
        found[server_attributes.SERVER_ADDRESS] = server
    if (port := environ.get("SERVER_PORT", "")).isdigit():
        found[server_attributes.SERVER_PORT] = int(port)
    if client := environ.get("REMOTE_ADDR"):
        found[client_attributes.CLIENT_ADDRESS] = client
    if agent := environ.get("HTTP_USER_AGENT"):
        found[user_agent_attributes.USER_AGENT_ORIGINAL] = agent
    return found


def _redact(query: str) -> str:
    """Return *query* with the values of parameters that carry secrets as `REDACTED`."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(key.lower() in _SECRET_PARAMETERS for key, _ in pairs):
        return query
    return urlencode(
        [(key, "REDACTED" if key.lower() in _SECRET_PARAMETERS else value) for key, value in pairs]
    )

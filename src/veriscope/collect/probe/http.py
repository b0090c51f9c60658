"""
The HTTP probe.

It speaks HTTP/1.1 on a connection of its own for each request, as blackbox_exporter does: a
client that pools connections would hide the very phases that a probe is asked for. Parsing is
`httptools`'.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Final

from yarl import URL

from veriscope.collect.probe.connection import Dialler
from veriscope.collect.probe.exchange import Request, Response, decoded_body, exchange
from veriscope.collect.probe.result import FailureReason, ProbeResult
from veriscope.collect.probe.target import ProbeTarget, shown
from veriscope.collect.probe.trace import ProbeError, Trace
from veriscope.signals import Clock

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_WORDS: Final = 500
_KEEPS_METHOD: Final = frozenset({307, 308})
_FOR_ORIGIN_ONLY: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


class HttpProbe:
    """Probes endpoints; one object serves any number of probes at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dialler = Dialler()

    async def run(self, target: ProbeTarget) -> ProbeResult:
        """Probe *target*, again up to its `retries`; whatever happens is in the result."""
        for attempt in range(target.retries + 1):
            if attempt:
                await asyncio.sleep(target.retry_wait_s)
            result = replace(await self._attempt(target), retries=attempt)
            if result.success:
                break
        return result

    async def _attempt(self, target: ProbeTarget) -> ProbeResult:
        trace = Trace(final_url=target.shown_url)
        time_ms, started = self._clock.now_ms(), perf_counter()
        failure: ProbeError | None = None
        try:
            async with asyncio.timeout(target.timeout_s):
                await self._follow(target, trace)
        except ProbeError as error:
            failure = error
        except TimeoutError:
            text = f"not done within {target.timeout_s:g} s; it was in the phase {trace.current}"
            failure = ProbeError(FailureReason.TIMEOUT, text)
        except Exception as error:  # noqa: BLE001 - a broken probe is a failed one, not a missing one
            failure = ProbeError(FailureReason.INTERNAL, f"{type(error).__name__}: {error}")
        duration_s = perf_counter() - started
        return _result(target, trace, failure, time_ms=time_ms, duration_s=duration_s)

    async def _follow(self, target: ProbeTarget, trace: Trace) -> None:
        """Ask, and follow redirects to the response that is judged."""
        request = _first_request(target)
        while True:
            response = await self._ask(request, target, trace)
            location = response.headers.get("location", "")
            follows = target.follow_redirects and response.status in _REDIRECTS and location
            if not follows:
                _judge(target, response, trace)
                return
            if trace.redirects == target.max_redirects:
                text = f"more than {target.max_redirects} redirects"
                raise ProbeError(FailureReason.REDIRECTS, text)
            request = _redirected(request, location, response.status)
            trace.follow(shown(request.url))

    async def _ask(self, request: Request, target: ProbeTarget, trace: Trace) -> Response:
        streams = await self._dialler.dial(request.url, target, trace)
        try:
            return await exchange(request, streams, target.max_body_bytes, trace)
        finally:
            # Nothing is left to say; a polite TLS farewell could wait for the peer for long.
            streams[1].transport.abort()


def _first_request(target: ProbeTarget) -> Request:
    url = target.parsed_url
    headers = dict(target.headers)
    if url.user is not None or url.password is not None:
        pair = f"{url.user or ''}:{url.password or ''}".encode()
        headers.setdefault("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return Request(url.with_user(None), target.method, headers, target.body)


def _redirected(request: Request, location: str, status: int) -> Request:
    """Return the request that a redirect asks for, as browsers make it."""
    try:
        url = request.url.join(URL(location)).with_fragment(None)
    except ValueError as error:
        raise ProbeError(FailureReason.REDIRECTS, "the redirect leads to no URL") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ProbeError(FailureReason.REDIRECTS, f"the redirect leads to {shown(url)!r:.200}")
    same = status in _KEEPS_METHOD or request.method in ("GET", "HEAD")
    return Request(
        url.with_user(None),
        request.method if same else "GET",
        _headers_for(url, request),
        request.body if same else b"",
    )


def _headers_for(url: URL, request: Request) -> Mapping[str, str]:
    """Return the headers without credentials where *url* is another origin."""
    if url.origin() == request.url.origin():
        return request.headers
    return {n: v for n, v in request.headers.items() if n.lower() not in _FOR_ORIGIN_ONLY}


def _judge(target: ProbeTarget, response: Response, trace: Trace) -> None:
    """Raise `ProbeError` where the response is not what was expected."""
    if target.keep_body:
        trace.body = decoded_body(response)
    if not target.expects(response.status):
        allowed = response.headers.get("allow", "")
        hint = f" (allowed here: {allowed})" if allowed else ""
        text = f"{target.method} was answered with status {response.status}{hint}"
        raise ProbeError(FailureReason.STATUS, text)
    if response.too_large:
        text = f"the body is larger than max_body_bytes ({target.max_body_bytes})"
        raise ProbeError(FailureReason.TOO_LARGE, text)
    check = target.body_check
    if check.is_empty:
        return
    if fault := check.fault(decoded_body(response)):
        raise ProbeError(FailureReason.BODY, fault)


def _result(
    target: ProbeTarget,
    trace: Trace,
    failure: ProbeError | None,
    *,
    time_ms: int,
    duration_s: float,
) -> ProbeResult:
    return ProbeResult(
        url=target.shown_url,
        method=target.method,
        time_ms=time_ms,
        success=failure is None,
        duration_s=duration_s,
        reason=failure.reason if failure else None,
        error=str(failure)[:_MAX_WORDS] if failure else "",
        status_code=trace.status,
        http_version=trace.http_version,
        phases=trace.phases(),
        request_bytes=trace.request_bytes,
        header_bytes=trace.header_bytes,
        body_bytes=trace.body_bytes,
        content_length=trace.content_length,
        redirects=trace.redirects,
        final_url=trace.final_url,
        remote_address=trace.remote_address,
        ip_protocol=trace.ip_protocol,
        tls_version=trace.tls_version,
        tls_expiry_s=trace.tls_expiry_s,
        body=trace.body,
    )

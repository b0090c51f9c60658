import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from veriscope.collect.probe import (
    BodyCheck,
    FailureReason,
    HttpProbe,
    IpProtocol,
    ProbeResult,
    ProbeTarget,
)
from veriscope.signals import SystemClock

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"


async def probe(url: str, **options: Any) -> ProbeResult:
    """Probe *url* once."""
    return await HttpProbe(SystemClock()).run(ProbeTarget(url, **options))


def response(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a whole response."""
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, length, *headers, b"", body])


async def test_a_success_is_measured_in_bytes_and_phases(start: Any) -> None:
    """Sizes are those on the wire, and the phases lie within the whole."""
    server = await start(HELLO)
    before_ms = time.time_ns() // 1_000_000
    result = await probe(server.url("/a?b=c"))
    assert result.success
    assert (result.reason, result.error, result.retries) == (None, "", 0)
    assert (result.status_code, result.http_version) == (200, "1.1")
    assert result.request_bytes == len(server.requests[0])
    assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert result.header_bytes == len(HELLO) - 5
    assert (result.body_bytes, result.content_length) == (5, 5)
    assert (result.ip_protocol, result.remote_address) == (4, "127.0.0.1")
    assert result.final_url == result.url == server.url("/a?b=c")
    phases = result.phases
    assert min(phases.resolve_s, phases.connect_s, phases.processing_s) > 0
    assert phases.tls_s == 0
    assert sum(phases.by_name().values()) <= result.duration_s
    assert before_ms <= result.time_ms <= time.time_ns() // 1_000_000


async def test_the_body_of_a_post_is_sent_and_counted(start: Any) -> None:
    """Method, headers and body arrive as they were given."""
    server = await start(HELLO)
    result = await probe(
        server.url(), method="POST", body=b"x" * 1000, headers={"Content-Type": "text/x"}
    )
    (request,) = server.requests
    assert request.startswith(b"POST / ")
    assert request.endswith(b"\r\n\r\n" + b"x" * 1000)
    assert b"\r\nContent-Type: text/x\r\n" in request
    assert result.request_bytes == len(request)


async def test_slow_phases_are_told_apart(start: Any) -> None:
    """Time until the head is processing, time after it is transfer."""

    async def slow(_request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.1)
        writer.write(b"b")

    result = await probe((await start(slow)).url())
    assert result.success
    assert result.phases.processing_s >= 0.14
    assert result.phases.transfer_s >= 0.09
    assert sum(result.phases.by_name().values()) <= result.duration_s


async def test_an_unknown_host_is_a_dns_failure() -> None:
    """A name without address fails as such, with no response."""
    result = await probe("http://name.invalid/")
    assert (result.success, result.reason, result.status_code) == (False, FailureReason.DNS, 0)
    assert "name.invalid" in result.error
    assert result.ip_protocol == 0


async def test_a_closed_port_is_refused() -> None:
    """Nobody listening is told from nobody answering."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = await probe(f"http://127.0.0.1:{port}/")
    assert (result.reason, result.success) == (FailureReason.REFUSED, False)
    assert result.error == "cannot connect to 127.0.0.1: Connection refused"


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """Return a port that takes no more connections: the queue of its socket is full."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def test_a_port_that_does_not_answer_times_out_while_connecting(full_backlog: int) -> None:
    """Packets that lead nowhere cost the time limit, no more."""
    started = time.monotonic()
    result = await probe(f"http://127.0.0.1:{full_backlog}/", timeout_s=0.3)
    assert result.reason is FailureReason.TIMEOUT
    assert result.phases.connect_s > 0.25
    assert time.monotonic() - started < 30  # the system's own patience is over a minute


async def test_a_silent_server_times_out_while_processing(start: Any) -> None:
    """The failure names the phase that hangs."""

    async def silent(_request: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    result = await probe((await start(silent)).url(), timeout_s=0.2)
    assert result.reason is FailureReason.TIMEOUT
    assert result.error == "not done within 0.2 s; it was in the phase processing"
    assert result.request_bytes > 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without a response"),
        (b"HTTP/1.1 200 OK\r\nConte", "in the head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "after 3 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "after 3 bytes"),
    ],
    ids=["nothing", "head", "length", "chunks"],
)
async def test_a_connection_that_ends_too_early_is_a_reset(
    start: Any, answer: bytes, words: str
) -> None:
    """A response cut short is no success, wherever it was cut."""
    result = await probe((await start(answer)).url())
    assert result.reason is FailureReason.RESET
    assert words in result.error


async def test_a_reset_connection_is_told(start: Any) -> None:
    """RST in place of an answer."""

    async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    assert (await probe((await start(reset)).url())).reason is FailureReason.RESET


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n\r\n", b"\x16\x03\x01 no\r\n\r\n"])
async def test_what_is_not_http_is_told(start: Any, answer: bytes) -> None:
    """Another protocol on the port is its own reason."""
    assert (await probe((await start(answer)).url())).reason is FailureReason.PROTOCOL


async def test_a_head_without_end_is_cut_off(start: Any) -> None:
    """Headers are bounded too."""

    async def babble(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-%d: y\r\n" % time.monotonic_ns() * 100)
            await writer.drain()

    result = await probe((await start(babble)).url())
    assert result.reason in (FailureReason.TOO_LARGE, FailureReason.PROTOCOL)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
    ids=["chunked", "until close", "after 100", "no content"],
)
async def test_every_framing_of_a_body_is_read(start: Any, answer: bytes, body: bytes) -> None:
    """Length, chunks, end of connection, interim responses, no body at all."""
    result = await probe((await start(answer)).url(), keep_body=True)
    assert result.success, result.error
    assert (result.body, result.body_bytes) == (body, len(body))


async def test_an_interim_response_is_not_counted_as_head(start: Any) -> None:
    """The size of the head is that of the response alone."""
    result = await probe((await start(b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO)).url())
    assert result.header_bytes == len(HELLO) - 5


async def test_head_has_no_body(start: Any) -> None:
    """The declared length of a HEAD's answer is not waited for."""
    server = await start(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    result = await probe(server.url(), method="HEAD")
    assert result.success
    assert (result.content_length, result.body_bytes) == (1000, 0)


async def test_a_huge_body_is_not_read_to_its_end(start: Any) -> None:
    """Past the limit the probe fails and stops reading."""

    async def endless(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    result = await probe((await start(endless)).url(), max_body_bytes=100_000, keep_body=True)
    assert result.reason is FailureReason.TOO_LARGE
    assert len(result.body) == 100_000
    assert result.body_bytes < 400_000


async def test_a_body_of_exactly_the_limit_passes(start: Any) -> None:
    """The limit itself is allowed."""
    assert (await probe((await start(HELLO)).url(), max_body_bytes=5)).success


@pytest.mark.parametrize(
    ("status", "expected", "passes"),
    [
        (200, ("2xx",), True),
        (404, ("2xx", "3xx"), False),
        (405, (405,), True),
        (503, ("500-599",), True),
        (201, ("200",), False),
        (304, ("2xx", "3xx"), True),
    ],
)
async def test_the_status_must_be_an_expected_one(
    start: Any, status: int, expected: tuple[int | str, ...], *, passes: bool
) -> None:
    """Codes, classes and ranges decide, not the class of the status alone."""
    server = await start(response(b"", status=b"%d X" % status))
    result = await probe(server.url(), expected_status=expected)
    assert result.success is passes
    assert result.status_code == status
    assert result.reason is (None if passes else FailureReason.STATUS)


async def test_a_refused_method_names_the_allowed_ones(start: Any) -> None:
    """Who probes a POST endpoint with GET is told."""
    server = await start(response(b"", b"Allow: POST", status=b"405 Method Not Allowed"))
    assert (await probe(server.url())).error.endswith("status 405 (allowed here: POST)")


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (BodyCheck(matches=["he.lo"]), ""),
        (BodyCheck(matches=["^x"]), "the body does not match '^x'"),
        (BodyCheck(not_matches=["hell"]), "the body matches 'hell'"),
        (BodyCheck(json_equals={"a": 1}), "the body is not JSON"),
    ],
)
async def test_the_body_is_checked(start: Any, check: BodyCheck, fault: str) -> None:
    """A body that fails a check fails the probe, and says which."""
    result = await probe((await start(HELLO)).url(), body_check=check)
    assert result.success is not bool(fault)
    assert result.error.startswith(fault)
    assert result.reason is (FailureReason.BODY if fault else None)


async def test_a_body_compressed_unasked_is_still_checked(start: Any) -> None:
    """Some servers always compress."""
    server = await start(response(gzip.compress(b"all is well"), b"Content-Encoding: gzip"))
    assert (await probe(server.url(), body_check=BodyCheck(matches=["is well"]))).success
    server = await start(response(b"\0\0", b"Content-Encoding: br"))
    result = await probe(server.url(), body_check=BodyCheck(matches=["x"]))
    assert "encoded as 'br'" in result.error


async def test_retries_are_apart_from_the_result(start: Any) -> None:
    """The result is the last attempt's alone; those before are only counted."""
    answers = iter([b"", response(b"", status=b"500 No"), HELLO, HELLO])

    async def flaky(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))

    server, started = await start(flaky), time.monotonic()
    result = await probe(server.url(), retries=5, retry_wait_s=0.2)
    assert result.success
    assert (result.retries, result.status_code, len(server.requests)) == (2, 200, 3)
    assert result.duration_s <= time.monotonic() - started - 2 * 0.2


async def test_retries_end(start: Any) -> None:
    """After the last attempt its failure stands."""
    server = await start(b"")
    result = await probe(server.url(), retries=2, retry_wait_s=0)
    assert (result.retries, len(server.requests)) == (2, 3)
    assert result.reason is FailureReason.RESET


async def test_ip_versions_can_be_chosen(start: Any) -> None:
    """A name is resolved to the wanted version only."""
    server = await start(HELLO)
    url = server.url(host="localhost")
    assert (await probe(url, ip_protocol=IpProtocol.IPV4)).ip_protocol == 4
    wrong = await probe(server.url(), ip_protocol=IpProtocol.IPV6)
    assert wrong.reason is FailureReason.DNS


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6_is_probed(start: Any) -> None:
    """An address in brackets works, also in the Host header."""
    try:
        server = await start(HELLO, host="::1")
    except OSError:
        pytest.skip("no ::1 here")
    result = await probe(server.url(host="[::1]"))
    assert (result.success, result.ip_protocol, result.remote_address) == (True, 6, "::1")
    assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.requests[0]


async def test_credentials_in_the_url_are_sent_and_not_shown(start: Any) -> None:
    """They become basic authentication and appear in no result."""
    server = await start(HELLO)
    result = await probe(f"http://me:se%20cret@127.0.0.1:{server.port}/")
    assert b"\r\nAuthorization: Basic bWU6c2UgY3JldA==\r\n" in server.requests[0]
    assert "cret" not in repr(result)


async def test_many_probes_run_at_once(start: Any) -> None:
    """One object serves many probes side by side: here, each waits for all others."""
    everyone = asyncio.Barrier(50)

    async def patient(_request: bytes, writer: asyncio.StreamWriter) -> None:
        await everyone.wait()
        writer.write(HELLO)

    server = await start(patient)
    shared = HttpProbe(SystemClock())
    results = await asyncio.gather(
        *(shared.run(ProbeTarget(server.url(f"/{i}"), timeout_s=60)) for i in range(50))
    )
    assert all(result.success for result in results)


async def test_a_name_server_that_hangs_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes of one name wait for the same look-up, also in later rounds."""
    release, calls = threading.Event(), []
    look_up = socket.getaddrinfo

    def hang(host: Any, *rest: Any, flags: int = 0, **named: Any) -> Any:
        if host != "slow.invalid":  # a thread that another test has left behind
            return look_up(host, *rest, flags=flags, **named)
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        calls.append(1)
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    shared, target = HttpProbe(SystemClock()), ProbeTarget("http://slow.invalid/", timeout_s=0.05)
    for _ in range(3):
        results = await asyncio.gather(*(shared.run(target) for _ in range(10)))
        assert {result.reason for result in results} == {FailureReason.TIMEOUT}
        assert results[0].error.endswith("in the phase resolve")
    assert len(calls) == 1
    assert [t.daemon for t in threading.enumerate() if t.name == "veriscope-lookup"] == [True]
    release.set()
    assert (await probe("http://slow.invalid/")).reason is FailureReason.DNS

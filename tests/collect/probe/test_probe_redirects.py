import asyncio
from typing import Any

import pytest

from veriscope.collect.probe import FailureReason, HttpProbe, ProbeResult, ProbeTarget
from veriscope.signals import SystemClock


async def probe(url: str, **options: Any) -> ProbeResult:
    """Probe *url* once."""
    return await HttpProbe(SystemClock()).run(ProbeTarget(url, **options))


def redirect(location: str, status: int = 302) -> bytes:
    """Return a redirect to *location*."""
    return f"HTTP/1.1 {status} R\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def chain(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer /3 by /2, that by /1, and that by /0, which is the end."""
    number = int(request.split(b" ")[1].strip(b"/"))
    writer.write(
        redirect(f"/{number - 1}") if number else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )


async def test_redirects_are_followed_and_counted(start: Any) -> None:
    """The last response is judged; its phases hold those of the way there."""
    server = await start(chain)
    result = await probe(server.url("/3"))
    assert (result.success, result.redirects, result.status_code) == (True, 3, 200)
    assert result.final_url == server.url("/0")
    assert result.url == server.url("/3")


async def test_redirects_have_a_limit(start: Any) -> None:
    """The limit itself is allowed, one more is not."""
    server = await start(chain)
    assert (await probe(server.url("/3"), max_redirects=3)).success
    result = await probe(server.url("/3"), max_redirects=2)
    assert result.reason is FailureReason.REDIRECTS
    assert result.error == "more than 2 redirects"


async def test_a_loop_of_redirects_ends(start: Any) -> None:
    """A server that sends us in circles is a failure, not a hang."""
    server = await start(redirect("/again"))
    result = await probe(server.url("/again"))
    assert (result.reason, len(server.requests)) == (FailureReason.REDIRECTS, 11)


async def test_redirects_need_not_be_followed(start: Any) -> None:
    """Then the redirect itself is judged."""
    server = await start(redirect("/x"))
    result = await probe(server.url(), follow_redirects=False, expected_status=(302,))
    assert (result.success, result.redirects) == (True, 0)


@pytest.mark.parametrize("location", ["ftp://host/", "file:///etc/passwd", "http://[bad"])
async def test_redirects_lead_to_http_only(start: Any, location: str) -> None:
    """Whatever else a server names is not touched."""
    result = await probe((await start(redirect(location))).url())
    assert result.reason is FailureReason.REDIRECTS


@pytest.mark.parametrize(("status", "method"), [(302, b"GET"), (303, b"GET"), (307, b"POST")])
async def test_the_method_changes_as_in_browsers(start: Any, status: int, method: bytes) -> None:
    """Only 307 and 308 repeat a POST and its body."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        done = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        writer.write(done if b" /end " in request else redirect("/end", status))

    server = await start(answer)
    assert (await probe(server.url(), method="POST", body=b"once")).success
    assert server.requests[1].startswith(method + b" /end ")
    assert server.requests[1].endswith(b"once") is (method == b"POST")


async def test_credentials_stay_with_their_origin(start: Any) -> None:
    """Another host or port gets no authorization; the same one does."""
    other = await start(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    first = await start(redirect(other.url("/there")))
    headers = {"Authorization": "Bearer abc", "X-Trace": "1"}
    assert (await probe(first.url(), headers=headers)).success
    assert b"Bearer abc" in first.requests[0]
    assert b"Bearer abc" not in other.requests[0]
    assert b"X-Trace: 1" in other.requests[0]

    home = await start(chain)
    await probe(home.url("/1"), headers=headers)
    assert b"Bearer abc" in home.requests[1]


async def test_a_redirect_into_the_void_is_no_response(start: Any) -> None:
    """The status of the redirect is not taken for that of the page that did not come."""
    server = await start(redirect("http://name.invalid/"))
    result = await probe(server.url())
    assert (result.reason, result.status_code, result.redirects) == (FailureReason.DNS, 0, 1)
    assert result.final_url == "http://name.invalid/"

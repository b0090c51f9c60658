import gzip
import os
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def authority(tmp_path_factory: Any) -> Any:
    """Create a self-signed certificate for `target.example`, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=target.example",
         "-addext", "subjectAltName=DNS:target.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def server_context(authority: Any, *, mutual: bool = False) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    cert, key = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cert)
    return context


def static(page: Any) -> Any:
    """Return a configuration with one target."""
    return [{"targets": [page.address]}]


@pytest.mark.parametrize("way", ["ca_file", "ca", "insecure"])
async def test_tls(  # noqa: PLR0917 fixtures
    serve: Any, sink: Any, scraping: Any, config: Any, authority: Any, way: str
) -> None:
    """A target is trusted by its authority and name, or unchecked where asked."""
    page = await serve(ssl=server_context(authority))
    tls = {
        "ca_file": {"ca_file": str(authority[0]), "server_name": "target.example"},
        "ca": {"ca": authority[0].read_text(), "server_name": "target.example"},
        "insecure": {"insecure_skip_verify": True},
    }[way]
    async with scraping(config(scheme="https", tls_config=tls, static_configs=static(page))):
        await sink.until(lambda: 1.0 in sink.values("up"))


async def test_mutual_tls(
    serve: Any, sink: Any, scraping: Any, config: Any, authority: Any
) -> None:
    """The client certificate is presented."""
    page = await serve(ssl=server_context(authority, mutual=True))
    cert, key = map(str, authority)
    tls = {"cert_file": cert, "key_file": key, "ca_file": cert, "server_name": "target.example"}
    async with scraping(config(scheme="https", tls_config=tls, static_configs=static(page))):
        await sink.until(lambda: 1.0 in sink.values("up"))


async def test_an_unknown_certificate_is_refused(
    serve: Any, sink: Any, scraping: Any, config: Any, authority: Any
) -> None:
    """Without its authority, a target's certificate fails the scrape."""
    page = await serve(ssl=server_context(authority))
    async with scraping(config(scheme="https", static_configs=static(page))) as running:
        await sink.until(lambda: sink.values("up"))
        assert "ertificate" in running.scraper.targets().active[0].last_error
    assert sink.values("up")[0] == 0.0


async def test_a_renewed_authority_is_read(  # noqa: PLR0917 fixtures
    serve: Any, sink: Any, scraping: Any, config: Any, authority: Any, tmp_path: Path
) -> None:
    """A certificate file that changes is read again, without a reload."""
    page = await serve(ssl=server_context(authority))
    ca = tmp_path / "ca.pem"
    other = ssl.create_default_context().get_ca_certs(binary_form=True)
    ca.write_text(ssl.DER_cert_to_PEM_cert(other[0]) if other else "")
    tls = {"ca_file": str(ca), "server_name": "target.example"}
    async with scraping(config(scheme="https", tls_config=tls, static_configs=static(page))):
        await sink.until(lambda: 0.0 in sink.values("up"))
        ca.write_bytes(authority[0].read_bytes())
        os.utime(ca, ns=(1, 1))
        await sink.until(lambda: 1.0 in sink.values("up"))


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"basic_auth": {"username": "u", "password_file": "SECRET"}}, "Basic dTpzM2NyZXQ="),
        ({"basic_auth": {"username_file": "SECRET", "password": "p"}}, "Basic czNjcmV0OnA="),
        ({"authorization": {"credentials_file": "SECRET"}}, "Bearer s3cret"),
        ({"authorization": {"type": "Token", "credentials": "x"}}, "Token x"),
        ({"bearer_token": "x"}, "Bearer x"),
        ({"bearer_token_file": "SECRET"}, "Bearer s3cret"),
        ({"http_headers": {"Authorization": {"secrets": ["raw"]}}}, "raw"),
    ],
)
async def test_credentials(  # noqa: PLR0917 fixtures
    serve: Any, sink: Any, scraping: Any, config: Any, tmp_path: Path, keys: Any, header: Any
) -> None:
    """Every way to give credentials reaches the target."""
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    keys = {
        key: str(file) if value == "SECRET" else value if isinstance(value, str) else
        {name: str(file) if item == "SECRET" else item for name, item in value.items()}
        for key, value in keys.items()
    }  # fmt: skip
    page = await serve()
    async with scraping(config(static_configs=static(page), **keys)):
        await sink.until(lambda: sink.batches)
    assert page.requests[0].headers["Authorization"] == header


async def test_request_and_compression(serve: Any, sink: Any, scraping: Any, config: Any) -> None:
    """Path, parameters and headers are Prometheus'; gzip of several members is understood."""
    page = await serve()
    page.body = gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n")
    page.headers = page.headers | {"Content-Encoding": "gzip"}
    job = config(
        static_configs=static(page), metrics_path="/m/x", params={"match[]": ["up", "{a=1}"]}
    )
    async with scraping(job):
        await sink.until(lambda: sink.values("b"))
    request = page.requests[0]
    assert request.path == "/m/x"
    assert request.query.getall("match[]") == ["up", "{a=1}"]
    assert request.headers["Accept-Encoding"] == "gzip"
    assert request.headers["X-Prometheus-Scrape-Timeout-Seconds"] == "0.1"
    assert "application/openmetrics-text;version=1.0.0" in request.headers["Accept"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"delay_s": 5.0}, "scrape_timeout"),
        ({"status": 302, "headers": {"Location": "/x"}}, "302"),
        ({"body": "a b\n"}, "line 1: 'b' is not a number"),
        ({"headers": {"Content-Type": "text/html"}}, "fallback_scrape_protocol"),
        ({"body": gzip.compress(b"a 1\n")[:-9],
          "headers": {"Content-Type": "text/plain", "Content-Encoding": "gzip"}}, "too early"),
    ],
)  # fmt: skip
async def test_failures_have_a_reason(  # noqa: PLR0917 fixtures
    serve: Any, new_page: Any, sink: Any, scraping: Any, config: Any, change: Any, cause: Any
) -> None:
    """Each way in which a target can fail is told by its last error."""
    page = await serve(new_page(**change))
    async with scraping(config(static_configs=static(page), follow_redirects=False)) as running:
        await sink.until(lambda: sink.values("up"))
        assert cause in running.scraper.targets().active[0].last_error
    assert sink.values("up")[0] == 0.0


async def test_an_unreachable_target_is_down(sink: Any, scraping: Any, config: Any) -> None:
    """A refused connection is `up` 0."""
    job = config(static_configs=[{"targets": ["127.0.0.1:1"]}])
    async with scraping(job) as running:
        await sink.until(lambda: sink.values("up"))
        assert "127.0.0.1:1" in running.scraper.targets().active[0].last_error
    assert sink.values("up")[0] == 0.0
